#!/bin/sh
# Makes the secret files that docker-compose.yml hands to the containers. Existing ones are kept: run it as often as you
# like. The folder is for its owner alone; the files are readable, because the containers' users are others than you.
set -eu
cd "$(dirname "$0")"
chmod 700 .

random() {
	od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# keep <file> <content…>: writes it unless it is there.
keep() {
	[ -s "$1" ] || printf '%s\n' "$2" >"$1"
	chmod 644 "$1"
}

keep database_password "$(random)"
keep database_root_password "$(random)"
keep redis_password "$(random)"

# A password for each user of deploy/nats.conf, and the URLs that hold them; nats_url is that of people.
if ! [ -s nats_passwords ]; then
	for user in ingest scheduler dispatcher persister monitor corder worker-coding client-shop reader; do
		password=$(random)
		printf '%s_PASSWORD: "%s"\n' "$(printf '%s' "$user" | tr 'a-z-' 'A-Z_')" "$password" >>nats_passwords
		printf 'nats://%s:%s@nats:4222\n' "$user" "$password" >"nats_url_$user"
	done
	sed 's/@nats:/@127.0.0.1:/' nats_url_corder >nats_url
	chmod 644 nats_*
fi
keep redis_url "redis://default:$(cat redis_password)@redis:6379"
keep database_url "mysql://corder:$(cat database_password)@mariadb:3306/corder"
echo "The secrets are in $(pwd)."

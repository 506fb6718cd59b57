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
keep nats_password "$(random)"
nats_password=$(cat nats_password)
keep nats_authorization "authorization { user: corder, password: \"$nats_password\" }"
keep nats_url "nats://corder:$nats_password@nats:4222"
keep redis_url "redis://default:$(cat redis_password)@redis:6379"
keep database_url "mysql://corder:$(cat database_password)@mariadb:3306/corder"
echo "The secrets are in $(pwd)."

#!/usr/bin/env bash
# `corder up` as a user meets it: start, twice, a killed server, stop, start again, kill -9. Real processes, no sleeps for
# luck: each wait polls for its condition up to a deadline. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

corder=$PWD/build/release/bin/corder
folder=$(mktemp -d "${TMPDIR:-/tmp}/corder-up-test.XXXXXX")
# shellcheck source=tests/system/cases.sh
source tests/system/cases.sh
up=''
unset NATS_URL REDIS_URL DATABASE_URL NATS_URL_FILE REDIS_URL_FILE DATABASE_URL_FILE CORDER_DIR

clean_up() {
	[ -z "$up" ] || kill -KILL "$up" 2>/dev/null
	rm -rf "$folder"
}
trap clean_up EXIT

# becomes_true <seconds> <command…>
becomes_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# start <name of the output> <arguments of corder up…>: in the background.
start() {
	local out=$folder/$1.out
	shift
	rm -f "$folder/stack/env" # a killed one leaves it
	"$corder" up --dir "$folder/stack" "$@" >"$out" 2>&1 </dev/null &
	up=$!
}

has_started() { becomes_true 90 test -f "$folder/stack/env"; }
children() { pgrep -P "$up" | tr '\n' ' '; }
child_named() { pgrep -P "$up" -f "$1"; }
none_alive() {
	local pid
	for pid in "$@"; do
		[ ! -d "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" || return 1
	done
}
stops_with() {
	local code=0
	kill "-$1" "$up"
	wait "$up" || code=$?
	[ "$code" -eq "$2" ]
}
exits_with() {
	local wanted=$1 code=0
	shift
	"$@" || code=$?
	[ "$code" -eq "$wanted" ]
}

setting() { sed -n "s/^$1=//p" "$folder/stack/settings"; }
redis() { REDISCLI_AUTH=$(setting redis_password) redis-cli -h 127.0.0.1 -p "$(setting redis_port)" "$@"; }
mariadb_says() {
	[ "$(MYSQL_PWD=$(setting database_password) mariadb -h 127.0.0.1 -P "$(setting mariadb_port)" -u corder -N -B corder -e "$1")" = "$2" ]
}
redis_says() { [ "$(redis "${@:2}")" = "$1" ]; }
nats_greets() {
	local port line
	port=$(setting nats_port)
	exec 9<>"/dev/tcp/127.0.0.1/$port" || return 1
	read -r -t 5 line <&9
	exec 9<&-
	[[ $line == INFO*'"jetstream":true'* ]]
}
http_says() {
	local answer
	exec 9<>"/dev/tcp/127.0.0.1/$(setting http_port)" || return 1
	printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&9
	read -r -t 5 answer <&9
	exec 9<&-
	[[ $answer == *" $1 "* ]]
}
nats_timers_may_be_late() { [ "$(cat "/proc/$(child_named nats-server)/timerslack_ns")" = 500000 ]; }
redis_is_another() { [ -n "$(child_named redis-server)" ] && [ "$(child_named redis-server)" != "$1" ]; }

test_servers() {
	local pids first
	start first --servers-only
	is_true "the servers start" has_started
	is_true "only the owner may read the env file" test "$(stat -c %a "$folder/stack/env")" = 600
	is_true "no password is printed" exits_with 1 grep -F "$(setting database_password)" "$folder/first.out"
	is_true "nats-server answers, with JetStream" nats_greets
	[ "$(id -u)" -ne 0 ] || is_true "nats-server's timers may be late (as root alone may see)" nats_timers_may_be_late
	is_true "redis-server never evicts" redis_says $'maxmemory-policy\nnoeviction' config get maxmemory-policy
	is_true "redis-server keeps an append-only file" redis_says $'appendonly\nyes' config get appendonly
	is_true "mariadbd has the database" mariadb_says "SELECT DATABASE()" corder
	is_true "a second start on the folder says so" exits_with 1 "$corder" up --dir "$folder/stack"
	is_true "… with the process id" grep -q "already running.*process $up" "$folder/commands.log"

	redis set kept yes >/dev/null
	mariadb_says "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (42)" ""
	first=$(child_named redis-server)
	kill -KILL "$first"
	is_true "a killed server is started again" becomes_true 20 redis_is_another "$first"
	is_true "… and has its data" becomes_true 20 redis_says yes get kept

	cp "$folder/stack/env" "$folder/env.before"
	pids=$(children)
	is_true "SIGTERM stops it with exit code 0" stops_with TERM 0
	# shellcheck disable=SC2086 # several words
	is_true "nothing is left behind" none_alive $pids
	is_true "the env file is gone" test ! -e "$folder/stack/env"

	start second --servers-only
	is_true "it starts again" has_started
	is_true "on the same ports" cmp "$folder/stack/env" "$folder/env.before"
	is_true "Redis has its data" redis_says yes get kept
	is_true "MariaDB has its data" mariadb_says "SELECT n FROM kept" 42
	pids=$(children)
	kill -KILL "$up"
	wait "$up" 2>/dev/null
	# shellcheck disable=SC2086
	is_true "kill -9 leaves nothing behind either" becomes_true 10 none_alive $pids
}

# Somebody listens on a port; corder up is told to take it.
http_port_in_use_is_refused() {
	local holder port code=0
	mkfifo "$folder/port"
	node -e 'require("net").createServer().listen(0, "127.0.0.1", function () { console.log(this.address().port); })' >"$folder/port" &
	holder=$!
	read -r port <"$folder/port"
	"$corder" up --dir "$folder/other" --http "$port" 2>"$folder/refused" || code=$?
	kill "$holder"
	wait "$holder" 2>/dev/null
	cat "$folder/refused"
	[ "$code" -eq 64 ] && grep -q "port $port is in use" "$folder/refused"
}

# One object on stdout that says where, and no password in it.
says_where() {
	node -e '
		const text = require("fs").readFileSync(process.argv[1], "utf8");
		const said = JSON.parse(text);
		const names = "ok dir env monitor nats_url redis_url database_url unwell";
		const good = Object.keys(said).join(" ") === names && said.ok && said.unwell.length === 0 && text.trim().split("\n").length === 1;
		process.exit(good && said.env === said.dir + "/env" && !text.includes(process.argv[2]) ? 0 : 1);
	' "$folder/json.out" "$(setting database_password)"
}

test_json() {
	start json --json
	is_true "with --json it starts" has_started
	is_true "… and prints one object that says where" becomes_true 10 says_where
	is_true "… and no more until it stops" stops_with TERM 0
	is_true "… nor then" says_where
}

test_refusals() {
	is_true "an unknown service is refused" exits_with 64 "$corder" up --dir "$folder/other" --scale fax=2
	is_true "a bad number is refused" exits_with 64 "$corder" up --dir "$folder/other" --scale ingest=-1
	is_true "an unknown option is refused" exits_with 64 "$corder" up --frobnicate
	is_true "a port in use is refused" http_port_in_use_is_refused
	is_true "--help explains" exits_with 0 "$corder" up --help
}

test_given_server() {
	local user name
	start given --servers-only
	is_true "a stack for another to use starts" has_started
	(
		set -a
		# shellcheck disable=SC1091 # made by corder up
		. "$folder/stack/env"
		exec "$corder" up --dir "$folder/user" >"$folder/user.out" 2>&1 </dev/null
	) &
	user=$!
	is_true "with the three URLs in the environment another starts" becomes_true 90 test -f "$folder/user/env"
	for name in NATS_URL REDIS_URL DATABASE_URL; do
		is_true "… and says that $name is from there" grep -q "^  $name .*from the environment" "$folder/user.out"
	done
	is_true "… and starts no server of its own" exits_with 1 pgrep -P "$user" 'nats-server|redis-server|mariadbd'
	is_true "… and its five services run on them" "$corder" services --check --dir "$folder/user" --wait 5
	kill -INT "$user"
	is_true "… and Ctrl-C stops it with exit code 0" wait "$user"
	is_true "the servers that it used go on" redis_says PONG ping
	is_true "the stack stops" stops_with INT 0
}

test_services() {
	local pids first
	start services --scale dispatcher=2
	is_true "servers and services start" has_started
	is_true "two dispatchers run" test "$(child_named corder-dispatcher | wc -l)" -eq 2
	is_true "the monitor's address is in the env file" grep -q "^CORDER_HTTP=http://127.0.0.1:$(setting http_port)\$" "$folder/stack/env"
	is_true "the monitor is ready" becomes_true 20 http_says 200 /readyz
	first=$(child_named corder-persister)
	kill -KILL "$first"
	persister_is_another() { [ -n "$(child_named corder-persister)" ] && [ "$(child_named corder-persister)" != "$first" ]; }
	is_true "a killed service is started again" becomes_true 20 persister_is_another
	is_true "… with a line that says so" grep -q 'started again.*persister' "$folder/services.out"
	pids=$(children)
	is_true "Ctrl-C stops all of it with exit code 0" stops_with INT 0
	# shellcheck disable=SC2086
	is_true "no service and no server is left behind" none_alive $pids
}

test_refusals
test_servers
test_given_server
test_json
test_services
up=''
cases_end

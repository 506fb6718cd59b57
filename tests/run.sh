#!/usr/bin/env bash
# Runs the tests, part by part, and ends with a table and "N passed, N failed". Run by ./dev test.
# Unit, contract and fuzz tests run under the sanitizers, the others on a release build with real servers.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=cmake/say.sh
source cmake/say.sh

parts=(check build unit contract integration node system operations c js chaos python langgraph dashboard simulation counts)
on_request=(asan tsan) # the system tests once more, with sanitizers in every process; slow
declare -A passed failed took
total_passed=0
total_failed=0

# One part writes its log and sets count_passed and count_failed; without any count its exit code counts as one test.
count_passed=0
count_failed=0

# ctest says how many programs failed; cmocka's own lines say how many cases passed. Only lines with ctest's number in
# front count: what failed is printed once more without it.
run_ctest() {
	local preset=$1 labels=$2 jobs=$3 log=$4 programs cases
	ctest --preset "$preset" -L "$labels" -j "$jobs" --verbose --no-tests=ignore >"$log" 2>&1
	local code=$?
	count_passed=$(grep -cE '^[0-9]+: \[ +OK \]' "$log")
	cases=$(grep -E '^[0-9]+: \[  FAILED  \] ' "$log" | grep -vcE 'listed below')
	programs=$(sed -nE 's/.*, ([0-9]+) tests? failed out of.*/\1/p' "$log" | tail -n 1)
	# cmocka names a failed case twice: when it fails, and in its list at the end.
	cases=$(((cases + 1) / 2))
	count_failed=$((cases > ${programs:-0} ? cases : ${programs:-0}))
	return "$code"
}

# Counts what "N passed, N failed" and node's test runner say in a log.
count_log() {
	local line
	count_passed=0
	count_failed=0
	while read -r line; do
		case $line in
		'# pass '*) count_passed=$((count_passed + ${line#'# pass '})) ;;
		'# fail '* | '# cancelled '*) count_failed=$((count_failed + ${line##* })) ;;
		*)
			if [[ $line =~ ^([a-z]+: )?([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
				count_passed=$((count_passed + BASH_REMATCH[2]))
				count_failed=$((count_failed + BASH_REMATCH[3]))
			fi
			;;
		esac
	done <"$1"
}

# Installs a folder's npm packages unless they are there for this very lock file.
npm_setup() {
	local stamp=$1/node_modules/.installed
	[ -f "$1/package.json" ] || return 0
	if [ -f "$stamp" ] && [ "$stamp" -nt "$1/package.json" ] && [ "$stamp" -nt "$1/package-lock.json" ]; then
		return 0
	fi
	(cd "$1" && npm ci --no-audit --no-fund) && touch "$stamp"
}

# Runs the *.test.mjs files of a folder one after the other; files in a folder's package.json "test" script win.
run_node() {
	local folder=$1
	[ -f "$folder/package.json" ] || return 0
	npm_setup "$folder" || return 1
	if grep -q '"test"' "$folder/package.json"; then
		(cd "$folder" && NODE_OPTIONS='' npm test --silent)
	else
		(cd "$folder" && node --test --test-reporter=tap)
	fi
}

part_check() {
	cmake/check.sh --all
}

part_build() {
	local preset
	for preset in release asan; do
		cmake --preset "$preset" -DCORDER_WERROR=ON && cmake --build --preset "$preset" || return 1
	done
}

part_system() {
	local code=0 script
	run_node tests/system || code=1
	for script in tests/system/*.sh; do
		[ -x "$script" ] || continue
		"$script" || code=1
	done
	return "$code"
}

part_asan() {
	run_sanitized asan
}

part_tsan() {
	run_sanitized tsan
}

run_sanitized() {
	cmake --preset "$1" -DCORDER_WERROR=ON && cmake --build --preset "$1" --target programs || return 1
	npm_setup tests/system && node tests/system/sanitizers.mjs "$1"
}

part_python() {
	npm_setup tests/system && clients/python/test.sh
}

part_langgraph() {
	clients/python/test_langgraph.sh
}

# needs_node_20 <what>: false, and says so, where Node.js is older; Debian 12 has 18.
needs_node_20() {
	node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && return
	echo "skipped: $1 needs Node.js 20, this is $(node --version)"
	return 1
}

part_c() {
	npm_setup tests/system && clients/c/test.sh
}

part_js() {
	needs_node_20 "the JavaScript client" || return 0
	npm_setup clients/js && npm_setup tests/system || return 1
	clients/js/test.sh
}

# Seeds that once found something, each with a few seconds of its faults; then the checker has to notice damage that is done
# to what it found good. ./dev chaos runs other seeds, for longer.
part_chaos() {
	npm_setup tests/system && tests/chaos/run --seed 3,10 --round 12 --load 1 --keep && node tests/chaos/bites.mjs build/chaos/seed-10
}

# The seeds that once found something, then those of every run.
part_simulation() {
	local simulate=build/release/bin/corder-simulate code=0
	if [ ! -x "$simulate" ]; then
		echo "SKIPPED simulation: it needs Lua 5.1 and SQLite (liblua5.1-0-dev, libsqlite3-dev)"
		return 0
	fi
	"$simulate" --file tests/simulation/seeds.txt || code=1
	"$simulate" --seeds 1..2000 || code=1
	return "$code"
}

# Instructions of the cores and codecs, held to figures: the same on every machine, whatever else it does.
part_counts() {
	tests/counts/run.mjs
}

part_operations() {
	node tests/operations/run.mjs
}

# In a browser; the stack and its client are those of the system tests.
part_dashboard() {
	needs_node_20 "the browser of the dashboard's tests (Playwright)" || return 0
	npm_setup tests/system && run_node tests/dashboard
}

run_part() {
	local part=$1 log=$2 code
	case $part in
	unit) run_ctest asan '^(unit|fuzz)$' "$(nproc)" "$log" ;;
	contract) run_ctest asan '^contract$' "$(nproc)" "$log" ;;
	integration) run_ctest release '^integration$' 2 "$log" ;;
	node) run_node tests/contract >"$log" 2>&1 ;;
	*) "part_$part" >"$log" 2>&1 ;;
	esac
	code=$?
	case $part in
	check | node | system | asan | tsan | operations | c | js | chaos | python | langgraph | dashboard | simulation | counts) count_log "$log" ;;
	build) count_passed=$((code == 0)) count_failed=$((code != 0)) ;;
	esac
	if [ "$code" -ne 0 ] && [ "$count_failed" -eq 0 ]; then
		count_failed=1
	fi
	return "$code"
}

record() {
	local part=$1 log=$2 started=$3 code=$4
	passed[$part]=$count_passed
	failed[$part]=$count_failed
	took[$part]=$((SECONDS - started))
	total_passed=$((total_passed + count_passed))
	total_failed=$((total_failed + count_failed))
	if [ "$code" -eq 0 ]; then
		printf '%sok%s (%d in %d s)\n' "$green" "$plain" "$count_passed" "${took[$part]}"
		grep '^skipped' "$log" || true
	else
		printf '%sFAILED%s; the log is %s:\n' "$red" "$plain" "$log"
		show_log "$log" 2>&1
	fi
}

table() {
	local part
	printf '\n%s%-14s%8s%8s%10s%s\n' "$bold" part passed failed seconds "$plain"
	for part in "$@"; do
		[ -n "${passed[$part]:-}" ] || continue
		printf '%-14s%8d%8d%10d\n' "$part" "${passed[$part]}" "${failed[$part]}" "${took[$part]}"
	done
}

main() {
	local chosen=("$@") part started log code
	[ $# -gt 0 ] || chosen=("${parts[@]}")
	for part in "${chosen[@]}"; do
		[[ " ${parts[*]} ${on_request[*]} " == *" $part "* ]] || die "there is no part \"$part\": ${parts[*]} ${on_request[*]}"
	done
	# What does not fit the present source would be tested otherwise.
	[[ " ${chosen[*]} " == *" build "* || "${chosen[*]}" == check ]] || chosen=(build "${chosen[@]}")
	for part in "${chosen[@]}"; do
		log=$(log_file "$part")
		started=$SECONDS
		count_passed=0
		count_failed=0
		printf '%-14s' "$part"
		run_part "$part" "$log"
		code=$?
		record "$part" "$log" "$started" "$code"
		if [ "$part" = build ] && [ "$code" -ne 0 ]; then
			break
		fi
	done
	table "${chosen[@]}"
	printf '\n%d passed, %d failed\n' "$total_passed" "$total_failed"
	[ "$total_failed" -eq 0 ]
}

main "$@"

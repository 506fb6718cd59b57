#!/usr/bin/env bash
# ./dev demo as somebody sees it who has just cloned this: to its end, and what it shows. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

folder=$(mktemp -d "${TMPDIR:-/tmp}/corder-demo-test.XXXXXX")
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0

# is_true <what> <command…>
is_true() {
	local what=$1
	shift
	if "$@" >>"$folder/commands.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok - $what"
	else
		failed=$((failed + 1))
		echo "not ok - $what"
		sed 's/^/# /' "$folder/demo.out"
	fi
}

shows() { grep -qE "$1" "$folder/demo.out"; }
shows_not() { ! shows "$1"; }
nothing_is_left() { [ -z "$(ls -A "$folder/tmp")" ] && ! pgrep -f "$folder/tmp"; }
mkdir "$folder/tmp"
code=0
TMPDIR=$folder/tmp DEMO_WORKFLOW=$folder/none NO_COLOR=1 demo/run >"$folder/demo.out" 2>&1 </dev/null || code=$?
is_true "it ends with exit code 0" test "$code" -eq 0
is_true "MariaDB's rows have the commit that was skipped, and because of what" shows 'commit-mailer .*skipped.*(test|review)-mailer'
is_true "… and the second try of the test that failed at first" shows 'test-search .*completed.* 2 '
is_true "the explanation names the cause" shows 'The end of its dependency test-mailer made it impossible'
is_true "git has the commits" shows '^[0-9a-f]{7,} Look words up in an index'
is_true "… and none of the mailer" shows_not '^[0-9a-f]{7,} .*[Mm]ail'
is_true "without the real workflow it runs one made here" shows 'A workflow in WfFormat'
is_true "… to its end" shows '^22 completed'
is_true "it says how long it took" shows 'That was it, in [0-9]+ seconds'
is_true "nothing is left behind" nothing_is_left
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]

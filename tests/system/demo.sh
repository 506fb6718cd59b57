#!/usr/bin/env bash
# `./dev demo` as one sees it, with the workflow that it makes up itself: what it shows of MariaDB's rows and of git is what
# should be there, and nothing is left behind. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

folder=$(mktemp -d "${TMPDIR:-/tmp}/corder-demo-test.XXXXXX")
# shellcheck source=tests/system/cases.sh
source tests/system/cases.sh
out=$folder/demo.out
trap 'rm -rf "$folder"' EXIT
unset CORDER_DIR CORDER_PREFIX CORDER_PROJECT

# shows <extended regular expression>: in a line of what the demo printed
shows() { grep -qE -- "$1" "$out"; }
shows_not() { ! shows "$1"; }

# What git's log says from its heading on, without the short names of the commits.
commits() { sed -n '/^\$ git log/,/^$/s/^[0-9a-f]\{7,\} //p' "$out" | sort; }
wanted_commits() {
	sort <<-END
		An empty shop
		Compare secrets in constant time
		Look words up in an index
		Count money in whole cents
		Say what is new
	END
}

nothing_runs() { ! pgrep -f "$folder/corder-demo"; }
no_folder() { ! compgen -G "$folder/corder-demo.*"; }

code=0
TMPDIR=$folder NO_COLOR=1 DEMO_WORKFLOW=$folder/none.json demo/run >"$out" 2>&1 </dev/null || code=$?
is_true "the demo ends with exit code 0" test "$code" -eq 0
# | task_id | prio | status | tries | seconds | worker | because |
is_true "MariaDB has the mailer's commit as skipped, and because of what" \
	shows '^\| commit-mailer +\| +[0-9]+ \| skipped +\|.*\| [a-z_-]*mailer[^|]* \|$'
is_true "the first test of search was tried once more" shows '^\| test-search +\| +[0-9]+ \| completed +\| +2 \|'
is_true "git has the commits of the others, and none of the mailer" test "$(commits)" = "$(wanted_commits)"
is_true "all tasks of the workflow that it made up completed" shows '22 completed'
is_true "no process of it is left" nothing_runs
is_true "its folder is gone" no_folder
cases_end

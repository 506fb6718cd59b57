# shellcheck shell=bash
# What a script of tests is made of: cases that are counted and told, each with what it said when it fails. Sourced by the
# scripts here; $folder is theirs, and what commands print stands in its commands.log and *.out.
: "${folder:?the folder of the script that sources this}"
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
		tail -n 40 "$folder"/*.out "$folder/commands.log" 2>/dev/null | sed 's/^/# /'
	fi
}

# The last line of a script: its exit code is the script's.
cases_end() {
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ]
}

#!/usr/bin/env bash
# Tests the Python client: types and style, units, the README's programs, the package, the examples of the docs, and the
# conformance suite. Run by ./dev test; ends with "N passed, N failed". Words go to unittest, for some of it only.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

passed=0
failed=0
clients/python/venv.sh
case $? in
0) ;;
3) exit 0 ;;
*) echo "not ok - the environment of the tests could not be made"; echo "0 passed, 1 failed"; exit 1 ;;
esac
bin=$PWD/build/python/bin

# is_clean <what> <command…>
is_clean() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok - $what"
	else
		failed=$((failed + 1))
		echo "not ok - $what"
	fi
}

code_is_typed() {
	(cd clients/python && "$bin/mypy" --cache-dir ../../build/mypy corder)
}

code_is_laid_out() {
	local where=(clients/python/corder clients/python/tests tests/conformance/adapters/python.py tests/examples)
	"$bin/ruff" check --quiet --no-cache --config clients/python/pyproject.toml "${where[@]}" &&
		"$bin/ruff" format --quiet --no-cache --check --config clients/python/pyproject.toml "${where[@]}"
}

run_unittest() {
	local log
	log=$(mktemp)
	(cd clients/python && PYTHONPATH=tests "$bin/python" -m unittest "$@") 2>&1 | tee "$log"
	local code=${PIPESTATUS[0]} ran bad
	ran=$(sed -nE 's/^Ran ([0-9]+) tests?.*/\1/p' "$log" | tail -n 1)
	bad=$(grep -cE '^(FAIL|ERROR): ' "$log")
	rm -f "$log"
	[ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + ${ran:-0} - (bad < ${ran:-0} ? bad : ${ran:-0})))
	failed=$((failed + bad))
}

if [ $# -gt 0 ]; then
	run_unittest "$@"
else
	is_clean "the package is typed (mypy --strict)" code_is_typed
	is_clean "the code is laid out (ruff)" code_is_laid_out
	run_unittest discover -s tests
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

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
	local tests=(tests ../../tests/examples/test_{docs,first_steps}.py ../../tests/conformance/adapters/python.py)
	(cd clients/python && MYPYPATH=tests "$bin/mypy" --cache-dir ../../build/mypy corder "${tests[@]}")
}

code_is_laid_out() {
	local where=(clients/python/corder clients/python/tests tests/conformance/adapters/python.py tests/examples)
	"$bin/ruff" check --quiet --no-cache --config clients/python/pyproject.toml "${where[@]}" &&
		"$bin/ruff" format --quiet --no-cache --check --config clients/python/pyproject.toml "${where[@]}"
}

# The tests here and those of the docs' examples share one stack, so they are one run.
modules() {
	find clients/python/tests tests/examples -name 'test_*.py' -not -path '*/node_modules/*' -exec basename {} .py ';' | sort
}

run_unittest() {
	local log code ran skipped bad
	log=$(mktemp)
	PYTHONPATH=clients/python/tests:tests/examples "$bin/python" -m unittest -v "$@" 2>&1 | tee "$log"
	code=${PIPESTATUS[0]}
	sed -nE "s/^(test_[a-z_]+) \(.*\.\.\. skipped ['\"](.*)['\"]$/skipped - \1: \2/p" "$log"
	ran=$(sed -nE 's/^Ran ([0-9]+) tests?.*/\1/p' "$log" | tail -n 1)
	skipped=$(sed -nE 's/^(OK|FAILED) \(.*skipped=([0-9]+).*/\2/p' "$log" | tail -n 1)
	ran=$((${ran:-0} - ${skipped:-0}))
	bad=$(grep -cE '^(FAIL|ERROR): ' "$log")
	rm -f "$log"
	[ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + ran - (bad < ran ? bad : ran)))
	failed=$((failed + bad))
}

code=0
if [ $# -gt 0 ]; then
	run_unittest "$@"
else
	# The suite mostly waits, so it runs beside the rest.
	suite=$(mktemp)
	PYTHON_WITH_CORDER=$bin/python node tests/conformance/run.mjs python >"$suite" 2>&1 &
	suite_pid=$! # a process substitution sets it as well
	is_clean "the package is typed (mypy --strict)" code_is_typed
	is_clean "the code is laid out (ruff)" code_is_laid_out
	mapfile -t modules < <(modules)
	run_unittest "${modules[@]}"
	wait "$suite_pid" || code=1
	cat "$suite"
	rm -f "$suite"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$code" -eq 0 ]

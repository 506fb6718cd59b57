#!/usr/bin/env bash
# Tests corder_langgraph with the real LangGraph: types and style, reducers, state, nodes, the table of crash points, the
# examples of its page. Run by ./dev test; ends with "N passed, N failed". Words go to the tests: test_crashes.Killed
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

clients/python/venv.sh langgraph test-langgraph
case $? in
0) ;;
3) exit 0 ;;
*) echo "not ok - the environment of the tests could not be made"; echo "0 passed, 1 failed"; exit 1 ;;
esac
bin=$PWD/build/python/bin
cd clients/python || exit

passed=0
failed=0

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

code_is_laid_out() {
	local where=(corder_langgraph tests_langgraph ../../docs/examples/langgraph)
	"$bin/ruff" check --quiet --no-cache --config pyproject.toml "${where[@]}" &&
		"$bin/ruff" format --quiet --no-cache --check --config pyproject.toml "${where[@]}"
}

examples_are_typed() {
	local file
	for file in ../../docs/examples/langgraph/*.py; do
		"$bin/mypy" --cache-dir ../../build/mypy --config-file pyproject.toml "$file" || return 1
	done
}

code=0
if [ $# -eq 0 ]; then
	is_clean "the package and its tests are typed (mypy --strict)" \
		"$bin/mypy" --cache-dir ../../build/mypy corder_langgraph tests_langgraph
	is_clean "the examples are typed (mypy --strict)" examples_are_typed
	is_clean "the code is laid out (ruff)" code_is_laid_out
fi
"$bin/python" -m tests_langgraph.run "$@" || code=1
[ $# -gt 0 ] || echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$code" -eq 0 ]

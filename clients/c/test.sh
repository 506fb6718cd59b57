#!/usr/bin/env bash
# Tests the C client: what is installed, the README's programs built against that, and the conformance suite. Run by ./dev test;
# the lines of both are counted there.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

# The suite mostly waits, on servers of its own: it runs beside the rest.
log=$(mktemp)
node tests/conformance/run.mjs c >"$log" 2>&1 &
conformance=$!
code=0
node --test --test-reporter=tap clients/c/test/installed.test.mjs || code=1
wait "$conformance" || code=1
cat "$log"
rm -f "$log"
exit "$code"

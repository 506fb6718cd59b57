#!/usr/bin/env bash
# Tests the JavaScript client: its own tests on a stack, then the conformance suite. Run by ./dev test; the lines of both are
# counted there. Needs Node.js 20.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

# The conformance suite waits most of its time, on servers of its own: it runs beside the rest.
export NODE_OPTIONS=''
log=$(mktemp)
node tests/conformance/run.mjs js >"$log" 2>&1 &
conformance=$!
code=0
(cd clients/js && npm test --silent) || code=1
wait "$conformance" || code=1
cat "$log"
rm -f "$log"
exit "$code"

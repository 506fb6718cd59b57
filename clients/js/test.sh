#!/usr/bin/env bash
# Tests the JavaScript client: its own tests on a stack, then the conformance suite. Run by ./dev test; the lines of both are
# counted there. Needs Node.js 20.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

version=$(node --version 2>/dev/null)
version=${version#v}
if [ "${version%%.*}" -lt 20 ] 2>/dev/null || [ -z "$version" ]; then
	echo "skipped: the JavaScript client needs Node.js 20, this is ${version:-none}"
	exit 0
fi

code=0
(cd clients/js && NODE_OPTIONS='' npm test --silent) || code=1
NODE_OPTIONS='' node tests/conformance/run.mjs js || code=1
exit "$code"

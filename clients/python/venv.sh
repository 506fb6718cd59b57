#!/usr/bin/env bash
# Makes the tests' environment, build/python: this folder's packages, editable, with the extras that are named. What is
# there for this very pyproject.toml is left as it is. Exit code 3: this machine has no Python 3.10 with venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=build/python
python=''
for name in python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do
	if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
		python=$name
		break
	fi
done
if [ -z "$python" ]; then
	echo "skipped - python: no Python 3.10 or newer with venv (Debian: python3-venv)"
	exit 3
fi

# One at a time: two parts of the tests may want it at once.
mkdir -p build
exec 9>build/python.lock
flock 9
if ! "$venv/bin/python" -c '' 2>/dev/null; then
	rm -rf "$venv"
	"$python" -m venv "$venv"
fi
for extra in test "$@"; do
	stamp=$venv/.installed-$extra
	[ "$stamp" -nt clients/python/pyproject.toml ] && continue
	"$venv/bin/pip" install --quiet --disable-pip-version-check --editable "clients/python[$extra]"
	touch "$stamp"
done

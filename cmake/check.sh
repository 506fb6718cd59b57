#!/usr/bin/env bash
# The checks without running anything: layout, lint, shell scripts, rules of the house. Run by ./dev check and ./dev test.
# Ends with "N passed, N failed"; a file that clang-tidy found clean is looked at again only when it or a header changes.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=cmake/say.sh
source cmake/say.sh

all=''
[ "${1:-}" = --all ] && all=yes
passed=0
failed=0
skipped=0

files() {
	git ls-files --cached --others --exclude-standard "$@" | while read -r file; do
		[ ! -f "$file" ] || printf '%s\n' "$file"
	done
}

# Other versions of these two lay out and find other things: their verdict counts where the version is the agreed one.
agreed_version=14
is_agreed() {
	"$1" --version | grep -qE "version $agreed_version\." && return
	echo "$1 here is not version $agreed_version"
	return 77
}

# check <what> <command…>: a check passes when its command prints nothing. One that cannot look here says why and
# returns 77.
check() {
	local what=$1 found code
	shift
	found=$("$@" 2>&1)
	code=$?
	if [ "$code" -eq 77 ]; then
		skipped=$((skipped + 1))
		printf 'skipped: %s: %s\n' "$what" "$found"
	elif [ -z "$found" ]; then
		passed=$((passed + 1))
		printf '  %sok%s    %s\n' "$green" "$plain" "$what"
	else
		failed=$((failed + 1))
		printf '  %sFAIL%s  %s\n%s\n' "$red" "$plain" "$what" "$(head -n 60 <<<"$found")"
	fi
}

check_format() {
	is_agreed clang-format || return
	files '*.c' '*.h' | xargs -r -d '\n' clang-format --dry-run -Werror 2>&1 | grep -E 'error:' |
		sed 's/:[0-9]*:.*//' | sort | uniq -c | sed 's/$/: differs from ".\/dev format"/'
}

check_shell() {
	{
		printf '%s\n' dev .ci/run
		files '*.sh'
		files | while read -r file; do
			[[ $file == *.* ]] || { head -c 64 "$file" | head -n 1 | grep -qE '^#!.*\b(ba)?sh$' && printf '%s\n' "$file"; }
		done
	} | sort -u | xargs -r -d '\n' shellcheck -x
}

# A test is a list of stories and may be longer.
check_length() {
	files '*.c' '*.h' '*.lua' '*.sh' 'dev' | xargs -r -d '\n' wc -l |
		awk '{ most = $2 ~ /^tests\// ? 700 : 400 }
			$2 != "total" && $1 > most { print $2 ": " $1 " lines, at most " most ": split it by topic" }'
}

check_words() {
	files ':!cmake/check.sh' ':!*.svg' ':!*-lock.json' | xargs -r -d '\n' grep -nIE '\b(TODO|FIXME|XXX)\b'
}

check_space() {
	files '*.c' '*.h' '*.lua' '*.sql' '*.sh' '*.cmake' '*.yml' 'dev' | xargs -r -d '\n' grep -nIE '[[:space:]]+$'
}

# One folder a vendor library: the rest of the code does not know it.
check_vendor() {
	local header folders
	while read -r header folders; do
		# shellcheck disable=SC2046,SC2086 # one word a folder
		files '*.c' '*.h' $(printf ':!%s ' $folders) ':!tests/*' ':!clients/c/*' ':!docs/examples/*' |
			xargs -r -d '\n' grep -nE "#include [<\"]([a-z]+/)?${header}[>\"]" |
			sed "s|\$|: only $folders may include $header|"
	done <<-'END'
		nats.h shared/bus
		hiredis.h shared/kv
		async.h shared/kv
		mysql.h shared/db
		microhttpd.h services/monitor shared/service
	END
}

# What Debian 12 has is Node.js 18.
check_node() {
	files '*.mjs' ':!services/monitor/web' ':!clients/js' |
		xargs -r -d '\n' grep -nE '\.(toSorted|toSpliced|toReversed)\(|import\.meta\.(dirname|filename)|Array\.fromAsync'
}

# By the compose tool's own validation. What it warns of is no failure: the secrets need not be there yet.
check_compose() {
	local tool=(docker compose) said
	"${tool[@]}" version >/dev/null 2>&1 || tool=(docker-compose)
	if ! command -v "${tool[0]}" >/dev/null; then
		echo "there is neither docker compose nor docker-compose"
		return 77
	fi
	said=$("${tool[@]}" config -q 2>&1) || echo "${said:-${tool[*]} config refuses it}"
}

# Changed since the last commit, or all of them; then those that the last run has not found clean.
tidy_candidates() {
	local newest file stamp
	newest=$(files '*.h' .clang-tidy | xargs -r -d '\n' ls -t | sed -n 1p)
	if [ -n "$all" ]; then
		files '*.c'
	else
		git diff --name-only --diff-filter=d HEAD -- '*.c'
		git ls-files --others --exclude-standard '*.c'
	fi | while read -r file; do
		stamp=build/tidy/$file
		[[ $stamp -nt $file && $stamp -nt $newest ]] || printf '%s\n' "$file"
	done
}

tidy_one() {
	if clang-tidy --quiet -p build/release "$1" 2>/dev/null | grep -E '(warning|error):'; then
		return 0
	fi
	mkdir -p "build/tidy/$(dirname "$1")"
	: >"build/tidy/$1"
}

check_tidy() {
	is_agreed clang-tidy || return
	# shellcheck disable=SC2016 # the inner shell expands it
	tidy_candidates | grep -v '^demo/' | xargs -r -d '\n' -n 1 -P "$(nproc)" bash -c 'tidy_one "$1"' tidy
}
export -f tidy_one

mkdir -p build
cmake --preset release >/dev/null
# The linter reads the headers that the build makes of scripts and migrations.
cmake --build --preset release --target corder_state persister_core monitor_core >/dev/null
check "layout (clang-format)" check_format
check "shell scripts (shellcheck)" check_shell
check "files of a length that one can read" check_length
check "nothing left to do in the text" check_words
check "no space at the end of a line" check_space
check "one folder a vendor library" check_vendor
check "nothing that Node.js 18 lacks" check_node
check "docker-compose.yml (compose config)" check_compose
check "lint (clang-tidy)" check_tidy
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]

# shellcheck shell=bash
# How the scripts speak: to stderr, in colour on a terminal. Sourced with the repository's root as working directory.
bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -t 2 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi
export bold dim red green plain

say() {
	printf '%s%s%s\n' "$dim" "$*" "$plain" >&2
}

die() {
	printf '%s%s%s\n' "$red" "dev: $*" "$plain" >&2
	exit 1
}

# The path of a log; its folder exists.
log_file() {
	mkdir -p build/test-logs
	printf 'build/test-logs/%s.log' "$1"
}

# The part of a log that tells most: the errors with what surrounds them, or the end.
show_log() {
	if grep -qE '(error|FAILED|CMake Error)' "$1"; then
		grep -E -A 8 '(error:|FAILED:|CMake Error)' "$1" | head -n 80 >&2
	else
		tail -n 60 "$1" >&2
	fi
}

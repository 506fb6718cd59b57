#!/usr/bin/env bash
# What `cmake --install` lays down: programs, manual page, completions and service units, each tried with the tool that will
# read it. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

folder=$(mktemp -d "${TMPDIR:-/tmp}/corder-install-test.XXXXXX")
# shellcheck source=tests/system/cases.sh
source tests/system/cases.sh
trap 'rm -rf "$folder"' EXIT
prefix=$folder/usr/local
services=(ingest scheduler dispatcher persister monitor)

is_installed() {
	local file
	for file in "${services[@]/#/bin/corder-}" bin/corder share/man/man1/corder.1 share/doc/corder/LICENSE \
		share/bash-completion/completions/corder share/zsh/site-functions/_corder lib/systemd/system/corder.target \
		"${services[@]/%/@.service}"; do
		[[ $file != *@.service ]] || file=lib/systemd/system/corder-$file
		[ -s "$prefix/$file" ] || { echo "$file is not there"; return 1; }
	done
}

programs_run() {
	local name
	for name in corder "${services[@]/#/corder-}"; do
		"$prefix/bin/$name" --version | grep -qE "^$name [0-9]+\.[0-9]+\.[0-9]+$" || { echo "$name --version"; return 1; }
	done
}

commands() { "$prefix/bin/corder" help | sed -nE 's/^  ([a-z]+) .*/\1/p' | grep -vx corder; }
options() { "$prefix/bin/corder" "$1" --help | grep -oE -- '(^ +|, )--[a-z-]+' | tr -d ' ,' | sort -u; }

# Every command and its options are in the page, and nroff has nothing to say about it.
page_is_whole() {
	local page=$folder/page command option
	LC_ALL=C.UTF-8 man --warnings -l "$prefix/share/man/man1/corder.1" 2>"$folder/warnings" | col -b >"$page"
	[ ! -s "$folder/warnings" ] || { cat "$folder/warnings"; return 1; }
	for command in $(commands | grep -vxE 'help|version'); do
		for option in $(options "$command"); do
			grep -qF -- "$option" "$page" || { echo "$command $option is not in the page"; return 1; }
		done
	done
	grep -q '^EXIT STATUS' "$page"
}

# bash_offers <words…>: what is offered for the last word.
bash_offers() {
	# shellcheck disable=SC2016 # the inner shell expands it
	PATH=$prefix/bin:$PATH bash -c '
		source "$0" && function=$(complete -p corder | sed -E "s/.* -F ([^ ]+).*/\1/")
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		"$function" && printf "%s\n" "${COMPREPLY[@]}"' "$prefix/share/bash-completion/completions/corder" "$@"
}

# The same in zsh, whose own functions that show something print it here.
zsh_offers() {
	# shellcheck disable=SC2016
	PATH=$prefix/bin:$PATH zsh -f -c '
		file=$1; shift; words=("$@"); CURRENT=$#
		_describe() { print -l -- ${${(P)2}%%:*}; }
		_values() { shift; print -l -- "$@"; }
		_files() { print -l -- *; }
		source $file' zsh "$prefix/share/zsh/site-functions/_corder" "$@"
}

# completes <shell>: every command, and for each of them every option.
completes() {
	local command
	diff <(commands | sort) <("$1_offers" corder "" | sort) || return
	for command in $(commands | grep -vxE 'help|version'); do
		diff <(options "$command") <("$1_offers" corder "$command" -- | sort -u) || { echo "$command"; return 1; }
	done
	"$1_offers" corder list --status "" | grep -qx skipped
}

# The units name programs at the place where they will be; here that place does not exist yet.
units_are_good() {
	local service
	for service in "${services[@]}"; do
		sed "s|^ExecStart=/usr/local/bin|ExecStart=$prefix/bin|" "$prefix/lib/systemd/system/corder-$service@.service" \
			>"$folder/corder-$service@1.service"
	done
	cp "$prefix/lib/systemd/system/corder.target" "$folder"
	systemd-analyze verify --man=no "$folder/corder.target" "$folder"/corder-*@1.service 2>&1 | grep -i corder && return 1
	[ "$(grep -o 'corder-[a-z]*@1.service' "$folder/corder.target" | sort -u | wc -l)" -eq "${#services[@]}" ]
}

# if_there <program> <what> <command…>
if_there() {
	local program=$1
	shift
	if command -v "$program" >/dev/null; then
		is_true "$@"
	else
		echo "skipped: $1: there is no $program"
	fi
}

is_true "cmake --install takes a DESTDIR" env DESTDIR="$folder" cmake --install build/release --prefix /usr/local
is_true "all files are where they belong" is_installed
is_true "the installed programs run" programs_run
if_there man "the manual page has every option of every command" page_is_whole
is_true "bash completes every command and option" completes bash
if_there zsh "zsh completes every command and option" completes zsh
if_there systemd-analyze "systemd understands the units" units_are_good
cases_end

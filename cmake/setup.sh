# shellcheck shell=bash
# Installs what is missing on Debian and Ubuntu, and says so. Sourced by ./dev after say.sh.
#
# A row: group, how to see that it is there, the package that brings it. "cmd" looks for a program, "lib" for a
# library that pkg-config knows, "py" for a module of Python, "compose" for either form of that tool. Servers are only
# installed, never started: we run our own, on ports of our own.
requirements() {
	cat <<'END'
build    cmd:cc                  build-essential
build    cmd:cmake               cmake
build    cmd:ninja               ninja-build
build    cmd:pkg-config          pkg-config
build    cmd:git                 git
build    lib:libnats             libnats-dev
build    lib:hiredis             libhiredis-dev
build    lib:libmariadb          libmariadb-dev
build    lib:libcjson            libcjson-dev
build    lib:libmicrohttpd       libmicrohttpd-dev
build    lib:jemalloc            libjemalloc-dev
build    lib:cmocka              libcmocka-dev
dashboard cmd:node               nodejs
dashboard cmd:npm                npm
servers  cmd:nats-server         nats-server
servers  cmd:redis-server        redis-server
servers  cmd:mariadbd            mariadb-server
servers  cmd:mariadb             mariadb-client
check    cmd:clang-format        clang-format
check    cmd:clang-tidy          clang-tidy
check    cmd:shellcheck          shellcheck
check    lib:lua5.1              liblua5.1-0-dev
check    lib:sqlite3             libsqlite3-dev
compose  compose                 docker-compose
tests    cmd:node                nodejs
tests    cmd:npm                 npm
tests    lib:lua5.1              liblua5.1-0-dev
tests    lib:sqlite3             libsqlite3-dev
tests    cmd:python3             python3
tests    py:venv                 python3-venv
tests    cmd:jq                  jq
tests    cmd:redis-cli           redis-tools
tests    cmd:promtool            prometheus
tests    cmd:tmux                tmux
tests    cmd:valgrind            valgrind
tests    cmd:rsvg-convert        librsvg2-bin
tests    cmd:zsh                 zsh
tests    cmd:man                 man-db
fuzz     cmd:clang               clang
fuzz     clang-rt                libclang-rt-dev
afl      cmd:afl-fuzz            afl++
browser  cmd:chromium            chromium
peers    cmd:beanstalkd          beanstalkd
peers    cmd:pg_lsclusters       postgresql
demo     cmd:clang-format        clang-format
END
}

# Debian keeps servers in sbin, which is not on every user's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

is_there() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	compose) docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null ;;
	clang-rt) [ -n "$(find "$(clang -print-resource-dir 2>/dev/null)/" -name 'libclang_rt.fuzzer*.a' 2>/dev/null)" ] ;;
	py:*) python3 -c "import ensurepip, ${1#py:}" 2>/dev/null || /usr/bin/python3 -c "import ensurepip, ${1#py:}" 2>/dev/null ;;
	lib:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#lib:}" ;;
	esac
}

# Prints the packages that the given groups lack.
missing_packages() {
	local group probe package
	while read -r group probe package; do
		case " $* " in
		*" $group "*) is_there "$probe" || printf '%s\n' "$package" ;;
		esac
	done < <(requirements) | sort -u
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Packages of servers start them when they are installed, unless policy-rc.d says no. Ours is there only meanwhile.
guard=/usr/sbin/policy-rc.d
guarded=''
guard_on() {
	[ -e "$guard" ] && return
	guarded=yes
	trap guard_off EXIT
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
	as_root chmod 755 "$guard"
}

guard_off() {
	[ -n "$guarded" ] || return 0
	as_root rm -f "$guard"
	guarded=''
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null
}

# Package lists may be missing or old: they are fetched only when something cannot be installed without.
install_packages() {
	local log
	log=$(log_file setup)
	guard_on
	if ! apt_install "$@" >"$log" 2>&1; then
		say "fetching the package lists …"
		as_root apt-get update >>"$log" 2>&1 </dev/null || true
		if ! apt_install "$@" >>"$log" 2>&1; then
			tail -n 30 "$log" >&2
			die "apt could not install them; the whole log is in $log"
		fi
	fi
	guard_off
}

check_versions() {
	local cmake_version node_version
	cmake_version=$(cmake --version | sed -n '1s/.*version //p')
	if [ "$(printf '%s\n3.25\n' "$cmake_version" | sort -V | head -n 1)" != 3.25 ]; then
		die "CMake 3.25 or newer is needed, this is $cmake_version"
	fi
	case " $* " in *" tests "*) ;; *) return 0 ;; esac
	node_version=$(node --version)
	node_version=${node_version#v}
	if [ "${node_version%%.*}" -lt 18 ]; then
		die "the tests need Node.js 18 or newer, this is $node_version"
	fi
}

# As setup, for what tests can do without: they say what they leave out.
setup_if_possible() {
	local packages
	mapfile -t packages < <(missing_packages "$@")
	[ ${#packages[@]} -gt 0 ] || return 0
	say "installing with apt, if it can be had: ${packages[*]}"
	(setup "$@") >/dev/null 2>&1 || say "note: could not install ${packages[*]}; what needs it is left out, tests by name"
}

# setup <group>…
setup() {
	local packages
	mapfile -t packages < <(missing_packages "$@")
	if [ ${#packages[@]} -gt 0 ]; then
		if ! command -v apt-get >/dev/null; then
			die "this system has no apt; please install what these Debian packages bring: ${packages[*]}"
		fi
		if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
			die "please install as root: apt-get install ${packages[*]}"
		fi
		say "installing with apt: ${packages[*]}"
		install_packages "${packages[@]}"
		mapfile -t packages < <(missing_packages "$@")
		[ ${#packages[@]} -eq 0 ] || die "still missing after the installation: ${packages[*]}"
	fi
	check_versions "$@"
}

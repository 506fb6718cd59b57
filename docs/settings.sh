#!/usr/bin/env bash
# Writes docs/settings.md to stdout, from what the programs in the given folder say with --help:
#   docs/settings.sh build/release/bin >docs/settings.md
# tests/contract/test_settings_page.c holds the page to it.
set -euo pipefail
bin=${1:?usage: docs/settings.sh <folder of the programs>}

# One line a setting: name, default, range, sentence, parted by tabs.
rows() {
	"$bin/corder-$1" --help | awk '
		/^Settings, from the environment/ { inside = 1 }
		/^Health and counters/ { inside = 0 }
		inside && /^  [A-Z_]+ / {
			name = $1
			sub(/^  [A-Z_]+ +/, "")
			range = ""
			value = $0
			if (match(value, /, (-?[0-9]+ to -?[0-9]+|at least -?[0-9]+)$/)) {
				range = substr(value, RSTART + 2)
				value = substr(value, 1, RSTART - 1)
				sub(/ $/, "", value)
			}
			next
		}
		inside && name != "" { sub(/^ +/, ""); print name "\t" value "\t" range "\t" $0; name = "" }'
}

# Those every service has: the first ones of each page.
common=$(comm -12 <(rows ingest | sort) <(rows persister | sort) | comm -12 - <(rows monitor | sort))

table() {
	printf '\n| setting | default | range | |\n|---|---|---|---|\n'
	awk -F '\t' '{
		value = $2 == "(empty)" ? "" : "`" $2 "`"
		if (match($2, / [a-z]+$/)) value = "`" substr($2, 1, RSTART - 1) "`" substr($2, RSTART)
		printf "| `%s` | %s | %s | %s |\n", $1, value, $3, $4
	}'
}

cat <<'TEXT'
# Settings

Every setting is an environment variable. `NAME_FILE` instead of `NAME` gives the path of a file that holds the value, for
secrets. A bad value, or a `CORDER_` name that does not exist, stops the start with the reason; one environment may serve all
programs, since each knows the names of the others. `corder-<service> --print-config` prints what is in force, passwords
masked; `--check` looks whether the servers are there.

A setting that stands below for several services has to be the same for all of them.

This page is made by `docs/settings.sh` from the programs' own `--help`.

## Every service
TEXT
rows ingest | grep -Fx "$common" | table
for service in ingest scheduler dispatcher persister monitor; do
	printf '\n## %s\n' "$service"
	rows "$service" | grep -Fxv "$common" | table
done

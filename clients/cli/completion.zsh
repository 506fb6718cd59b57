#compdef corder
# Zsh completion for corder. What there is to complete comes from the program's own help, so that it is never old.

_corder() {
	local -a rows
	local command='' i
	for ((i = 2; i < CURRENT; i++)); do
		if [[ ${words[i]} != -* ]]; then
			command=${words[i]}
			break
		fi
	done
	case ${words[CURRENT - 1]} in
	--color) _values when auto always never; return ;;
	--dir) _files -/; return ;;
	--wfformat | --svg | --otlp) _files; return ;;
	--since) _values place all 10m 1h 1d; return ;;
	--name) _values service ingest scheduler dispatcher persister monitor; return ;;
	--status | -s) _values status blocked pending running retry completed failed cancelled skipped; return ;;
	esac
	if [[ -z $command || $command == help ]]; then
		rows=(${(f)"$(corder help 2>/dev/null | sed -nE '/^  corder /d; s/^  ([a-z]+) +(.*)/\1:\2/p')"})
		_describe command rows
	elif [[ ${words[CURRENT]} == -* ]]; then
		rows=(${(f)"$(corder $command --help 2>/dev/null | sed -nE 's/^ +(-[a-z0-9], )?(--[a-z-]+)( [^ ]+)? +(.*)/\2:\4/p')"})
		_describe option rows
	elif [[ $command == submit ]]; then
		_files
	fi
}

_corder "$@"

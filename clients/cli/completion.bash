# Bash completion for corder. What there is to complete comes from the program's own help, so that it is never old.
_corder() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} != -* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	case $previous in
	--color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$word") && return ;;
	--dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	--status | -s) mapfile -t COMPREPLY < <(compgen -W 'blocked pending running retry completed failed cancelled skipped' -- "$word") && return ;;
	--since) mapfile -t COMPREPLY < <(compgen -W 'all 10m 1h 1d' -- "$word") && return ;;
	--name) mapfile -t COMPREPLY < <(compgen -W 'ingest scheduler dispatcher persister monitor' -- "$word") && return ;;
	--wfformat | --svg | --otlp) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	esac
	if [[ -z $command || $command == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(corder help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p' | grep -vx corder)" -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(corder "$command" --help 2>/dev/null | grep -oE -- '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,' | sort -u)" -- "$word")
	elif [[ $command == submit ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -o filenames -F _corder corder

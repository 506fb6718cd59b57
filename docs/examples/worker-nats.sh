#!/bin/sh
# A worker in plain shell, with the nats command and jq: NATS_URL=… sh worker-nats.sh
settled='[]'
while true; do
	ask=$(jq -nc --argjson settled "$settled" '{worker: "shell-1", max: 1, wait_ms: 10000, done: $settled}')
	if ! answer=$(nats request --raw --timeout 20s corder.v1.work.hello "$ask") || [ "$(echo "$answer" | jq .ok)" != true ]; then
		echo "again: $answer" >&2 # no answer says nothing: the same settles go again
		sleep 1
		continue
	fi
	settled=$(echo "$answer" | jq -c '[.tasks[] | {project, task_id, lease, outcome: "completed",
		result: {said: "hello \(.execution_context.name // "world")"}}]')
done

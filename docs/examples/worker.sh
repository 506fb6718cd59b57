#!/bin/sh
# A worker in shell: the command runs once a task, its context on stdin and in the environment; what it prints is the result.
# shellcheck disable=SC2016 # the task's shell expands it
exec corder work --type hello --exec 'printf "{\"said\": \"hello %s\"}" "${CORDER_CONTEXT_NAME:-world}"'

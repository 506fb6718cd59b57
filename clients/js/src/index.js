// The package's face: what programs may use.
export { Client, connect } from "./client.js";
export {
	BadJson,
	Cancelled,
	Conflict,
	CorderError,
	Cycle,
	DuplicateId,
	EventsLost,
	Internal,
	InvalidField,
	LeaseLost,
	LimitExceeded,
	NoAnswer,
	NotFound,
	Refused,
	Release,
	StaleLease,
	Stopping,
	TaskEnded,
	TaskFailed,
	TooLarge,
	Unavailable,
	UnknownDependency,
	WaitTimeout,
	WrongStatus,
} from "./errors.js";
export { Events, isFinal } from "./events.js";
export { Graph, failed, finished } from "./graph.js";
export { finalStatuses, newId } from "./names.js";
export { Submission } from "./submit.js";
export { Worker } from "./worker.js";

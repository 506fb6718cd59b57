// What can go wrong, as classes: refusals carry the contract's code, the rest says what a caller may do next.

export class CorderError extends Error {
	constructor(message, options) {
		super(message, options);
		this.name = new.target.name;
	}
}

// Corder answered, and the answer is no. `code` is the contract's; `path` and `tasks` come with some codes.
export class Refused extends CorderError {
	constructor({ code, message, path, tasks }, subject) {
		super(`${subject ? `${subject}: ` : ""}${code}${path ? ` at ${path}` : ""}: ${message}`);
		this.code = code;
		this.detail = message;
		if (path !== undefined) this.path = path;
		if (tasks !== undefined) this.tasks = tasks;
	}
}

export class TooLarge extends Refused {}
export class BadJson extends Refused {}
export class LimitExceeded extends Refused {}
export class InvalidField extends Refused {}
export class DuplicateId extends Refused {}
export class Cycle extends Refused {}
export class UnknownDependency extends Refused {}
export class Conflict extends Refused {}
export class NotFound extends Refused {}
export class WrongStatus extends Refused {}
export class StaleLease extends Refused {}
export class Internal extends Refused {}

// Says nothing about the outcome: the same request with the same ids may be sent again. The client did, for its
// patience.
export class Unavailable extends Refused {}

// Nothing answered for as long as the client is patient. Says nothing about the outcome either.
export class NoAnswer extends CorderError {
	constructor(subject, afterMs, options) {
		super(`${subject}: no answer within ${(afterMs / 1000).toFixed(1)} s`, options);
		this.subject = subject;
	}
}

// wait() ran out of time: `finished` is what it would have returned, `unfinished` the ids it still waited for.
export class WaitTimeout extends CorderError {
	constructor(finished, unfinished) {
		const some = unfinished.slice(0, 5).join(", ");
		super(`${unfinished.length} tasks did not end in time: ${some}${unfinished.length > 5 ? ", …" : ""}`);
		this.finished = finished;
		this.unfinished = unfinished;
	}
}

// The stream no longer holds, or never held, events that belong between those already given and the next one.
export class EventsLost extends CorderError {
	constructor(message, position) {
		super(message);
		this.position = position;
	}
}

// result(): the task ended, and not as completed. `task` tells how.
export class TaskEnded extends CorderError {
	constructor(task) {
		const why = task.error ? `: ${task.error.message}` : task.because ? `, because of ${task.because}` : "";
		super(`task ${task.task_id} ended as ${task.status}${why}`);
		this.task = task;
		this.status = task.status;
	}
}

// For handlers: this try failed. With `retryable: false` there is no other one.
export class TaskFailed extends CorderError {
	constructor(message, { retryable = true, ...options } = {}) {
		super(message, options);
		this.retryable = retryable;
	}
}

// For handlers: give the task back as it came, at no try.
export class Release extends CorderError {
	constructor(message = "released") {
		super(message);
	}
}

// Reasons of a job's AbortSignal.
export class Cancelled extends CorderError {
	constructor(message = "a cancel was asked for") {
		super(message);
	}
}
export class LeaseLost extends CorderError {
	constructor(message = "the lease is no longer ours") {
		super(message);
	}
}
export class Stopping extends CorderError {
	constructor(message = "the worker stops") {
		super(message);
	}
}

const classes = {
	too_large: TooLarge,
	bad_json: BadJson,
	limit_exceeded: LimitExceeded,
	invalid_field: InvalidField,
	duplicate_id: DuplicateId,
	cycle: Cycle,
	unknown_dependency: UnknownDependency,
	conflict: Conflict,
	not_found: NotFound,
	wrong_status: WrongStatus,
	stale_lease: StaleLease,
	unavailable: Unavailable,
	internal: Internal,
};

// The error of a reply, as the class of its code.
export function refusal(error, subject) {
	return new (classes[error.code] ?? Refused)(error, subject);
}

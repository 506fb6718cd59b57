// Types of the package's face. What exists in the contract is spelled as it is there; what is ours as JavaScript does.
import type { NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";
import { EventEmitter } from "node:events";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export type Status = "blocked" | "pending" | "running" | "retry" | "completed" | "failed" | "cancelled" | "skipped";
export type FinalStatus = "completed" | "failed" | "cancelled" | "skipped";
export type When = "completed" | "failed" | "finished";
export type WaitsFor = "dependency" | "time" | "approval" | "key";
export type Ack = "logged" | "archived";
export type ErrorCode =
	| "too_large"
	| "bad_json"
	| "limit_exceeded"
	| "invalid_field"
	| "duplicate_id"
	| "cycle"
	| "unknown_dependency"
	| "conflict"
	| "not_found"
	| "wrong_status"
	| "stale_lease"
	| "unavailable"
	| "internal";

export interface Backoff {
	initial_ms: number;
	factor: number;
	max_ms: number;
}

export interface Dependency {
	task_id: string;
	when?: When;
	/** The task may be submitted later. */
	future?: boolean;
}

/** A task to submit. */
export interface Task {
	task_type: string;
	task_id?: string;
	project?: string;
	service_name?: string;
	/** 1 to 10; 10 is the most urgent. */
	priority?: number;
	dependencies?: (string | Dependency)[];
	max_retries?: number;
	/** Handed to the worker as it came: anything that is JSON. */
	execution_context?: object;
	/** Seconds. */
	estimated_duration?: number | null;
	/** Seconds that a try may take. */
	timeout?: number | null;
	not_before?: Date | string | null;
	retry_backoff?: Partial<Backoff>;
	on_dependency_failure?: "skip" | "block" | "run";
	hold?: boolean;
	concurrency_key?: string | null;
	concurrency_limit?: number;
	traceparent?: string | null;
}

export interface TaskError {
	code: string;
	message: string;
}

export interface Attempt {
	attempt: number;
	worker: string;
	started_at: string;
	finished_at: string | null;
	outcome: "completed" | "failed" | "released" | "timeout" | "worker_lost" | "cancelled" | null;
	error?: TaskError | null;
}

/** A task as a list tells it: without what may be large. */
export interface ListedTask {
	project: string;
	task_id: string;
	task_type: string;
	batch_id: string;
	service_name: string;
	priority: number;
	max_retries: number;
	estimated_duration: number | null;
	timeout: number | null;
	not_before: string | null;
	retry_backoff: Backoff;
	on_dependency_failure: "skip" | "block" | "run";
	hold: boolean;
	concurrency_key: string | null;
	concurrency_limit: number;
	traceparent?: string | null;
	status: Status;
	waits_for: WaitsFor[];
	retry_count: number;
	attempt: number;
	version: number;
	created_at: string;
	updated_at: string | null;
	ready_at: string | null;
	started_at: string | null;
	finished_at: string | null;
	lease_until?: string | null;
	actual_duration: number | null;
	worker: string | null;
	error: TaskError | null;
	because: string | null;
	cancel_requested?: boolean;
}

/** A task with all that is known of it. */
export interface TaskInfo extends ListedTask {
	dependencies: { task_id: string; when: When; future?: boolean; status?: Status | null }[];
	dependents: { task_id: string; when: When; status?: Status }[];
	attempts: Attempt[];
	execution_context: any;
	result: any;
}

/** A task as a worker gets it. */
export interface DeliveredTask {
	project: string;
	task_id: string;
	task_type: string;
	batch_id: string;
	service_name: string;
	priority: number;
	max_retries: number;
	retry_count: number;
	attempt: number;
	lease: string;
	lease_until: string;
	execution_context: any;
	inputs: Record<string, any>;
	inputs_omitted?: string[];
	/** How the last try failed; only where one has. */
	error?: TaskError;
	dependencies: { task_id: string; when: When }[];
	timeout: number | null;
	estimated_duration: number | null;
	traceparent?: string | null;
	[member: string]: any;
}

export interface Event {
	event_id: string;
	partition?: number;
	seq: number;
	project: string;
	task_id: string;
	batch_id: string;
	task_type: string;
	status: Status | "rejected";
	previous: Status | null;
	version: number;
	attempt: number;
	at: string;
	worker?: string;
	reason?: string;
	error?: TaskError & { path?: string };
	because?: string;
	waits_for?: WaitsFor[];
	result?: any;
	/** On the first event: the task as submitted. */
	task?: Omit<TaskInfo, "status" | "attempts" | "dependents" | "result">;
	/** Its place in the stream, from which to go on; absent where there is no stream. */
	position?: number;
}

/** What a wait tells of a task that ended. */
export interface Outcome {
	project: string;
	task_id: string;
	task_type: string;
	batch_id: string;
	status: FinalStatus;
	attempt: number;
	version: number;
	worker: string | null;
	result: any;
	error: TaskError | null;
	because: string | null;
}

export class Submission {
	readonly project: string;
	readonly batch_id: string;
	readonly task_ids: string[];
	readonly dry_run: boolean;
	/** By enqueue: the verdict is still to come, as an event. */
	readonly enqueued: boolean;
	/** Where the stream of events was before it. */
	readonly position?: number;
	/** Absent where the batch is too large for an answer. */
	readonly tasks?: { task_id: string; result: "accepted" | "duplicate"; status: Status }[];
}

/** What every call takes. */
export interface CallOptions {
	signal?: AbortSignal;
	/** How long a request is repeated while nothing answers; the client's by default. */
	patienceMs?: number;
}

interface ProjectOption {
	/** The client's by default; "*" is all of them where that makes sense. */
	project?: string;
}

export interface SubmitOptions extends CallOptions, ProjectOption {
	batch_id?: string;
	/** Check only: nothing happens. */
	dry_run?: boolean;
	/** "archived" answers only after MySQL has committed. */
	ack?: Ack;
	/** Which of a graph's tasks of one priority goes first; "score" unless the installation says otherwise. */
	order?: "score" | "fifo" | "critical_path";
	traceparent?: string;
}

export interface ListOptions extends CallOptions, ProjectOption {
	batch_id?: string;
	status?: Status;
	task_type?: string;
	service_name?: string;
	limit?: number;
}

export interface WaitOptions extends ProjectOption {
	/** How many have to end: "all" (default), "any", or a number. */
	count?: "all" | "any" | number;
	/** Then WaitTimeout; without it there is no end. */
	timeoutMs?: number;
	onEvent?: (event: Event) => void;
	signal?: AbortSignal;
}

export interface EventOptions extends ProjectOption {
	task_type?: string | string[];
	status?: Event["status"] | Event["status"][];
	task_ids?: Iterable<string>;
	batch_id?: string;
	/** From where: now (default), "all", a time, or behind a position. */
	since?: "all" | Date | number;
	/** false: ends where the stream ends now. */
	follow?: boolean;
	signal?: AbortSignal;
}

/** Each event once, in order for each task, going on by itself after whatever broke. */
export class Events implements AsyncIterableIterator<Event>, AsyncDisposable {
	/** Resolves when no event from now on can be missed. Iterating waits for it by itself. */
	readonly ready: Promise<void>;
	/** The place of the last event given out: `since` of an iterator that goes on from here. */
	readonly position: number | undefined;
	readonly subject: string;
	/** Throws EventsLost once for events that the stream lacks; the next call goes on behind them. */
	next(): Promise<IteratorResult<Event, undefined>>;
	return(): Promise<IteratorResult<Event, undefined>>;
	close(): void;
	[Symbol.asyncIterator](): this;
	[Symbol.asyncDispose](): Promise<void>;
}

export interface Progress {
	project: string;
	task_id: string;
	task_type: string;
	attempt?: number;
	worker: string;
	at: string;
	progress: any;
}

export interface QueueStatus {
	project: string | null;
	pending_count: number;
	running_count: number;
	completed_count: number;
	failed_count: number;
	blocked_count: number;
	retry_count: number;
	cancelled_count: number;
	skipped_count: number;
	queue_health: {
		status: "ok" | "degraded" | "critical";
		checks: { name: string; status: string; message: string }[];
	};
	average_wait_time: number | null;
	throughput: number;
	window_s: number;
	queues?: { task_type: string; pending_count: number; running_count: number; paused?: boolean }[];
	[member: string]: any;
}

export interface TimelineTask {
	task_id: string;
	task_type: string;
	service_name: string;
	status: Status;
	created_at: string;
	ready_at: string | null;
	started_at: string | null;
	finished_at: string | null;
	estimated_duration?: number | null;
	because?: string | null;
	attempts: Attempt[];
	dependencies: { task_id: string; when: When }[];
}

export interface Timeline {
	project: string;
	batch_id: string | null;
	tasks: TimelineTask[];
	truncated?: boolean;
}

export interface ScoreTerms {
	priority: number;
	waiting_hours: number;
	dependencies: number;
	/** Of a batch with an order of its own, in the place of dependencies. */
	order?: number;
	retries: number;
}

export interface Executable {
	project: string;
	task_id: string;
	task_type: string;
	priority: number;
	score: number;
	terms: ScoreTerms;
	ready_at: string;
}

export interface Explanation {
	project: string;
	task_id: string;
	status: Status;
	runnable: boolean;
	reasons: { kind: string; message: string; until?: string | null; because?: string; [member: string]: any }[];
	position: number | null;
	score: number | null;
	terms: ScoreTerms | null;
}

/** "id", ["id", …], or a whole batch. */
export type TaskNames = string | string[] | { batch_id: string };

export type Changed =
	| { task_id: string; project?: string; ok: true; status: Status }
	| { task_id: string; project?: string; ok: false; error: { code: ErrorCode; message: string } };

interface CommandOptions extends CallOptions, ProjectOption {
	reason?: string;
}

/** A setting of the environment may stand in a file, whose path NATS_URL_FILE (and so on) gives. */
export interface ConnectOptions {
	/** NATS_URL, or nats://127.0.0.1:4222. Several, parted by commas or as a list. */
	servers?: string | string[];
	/** CORDER_PROJECT; used where a call names none. */
	project?: string;
	/** CORDER_PREFIX, or "corder". */
	prefix?: string;
	/** How long a request is repeated, with the same ids, while nothing answers; 30,000. */
	patienceMs?: number;
	signal?: AbortSignal;
	/** More for the NATS library: TLS, credentials, a name. */
	nats?: NodeConnectionOptions;
}

export function connect(options?: ConnectOptions): Promise<Client>;

export class Client implements AsyncDisposable {
	private constructor();
	readonly project: string | undefined;
	readonly prefix: string;
	/** The NATS connection underneath. */
	readonly nats: NatsConnection;
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;

	/** A task, many, or a graph: admitted whole, or not at all. In parts where a message does not hold it. */
	submit(tasks: Task | Task[] | Graph, options?: SubmitOptions): Promise<Submission>;
	/** Into a stream: needs no service of Corder to be up. The verdict comes as events. */
	enqueue(
		tasks: Task | Task[] | Graph,
		options?: Pick<SubmitOptions, "project" | "batch_id" | "signal">,
	): Promise<Submission>;
	get(task_id: string, options?: CallOptions & ProjectOption): Promise<TaskInfo>;
	/** Newest first, page by page. */
	list(options?: ListOptions): AsyncGenerator<ListedTask, void, undefined>;
	/** Until they have ended, however they did; by task_id. */
	wait(
		tasks: string | string[] | Submission | { batch_id: string; project?: string },
		options?: WaitOptions,
	): Promise<Map<string, Outcome>>;
	/** Until it has ended: its result, or TaskEnded thrown. */
	result(task_id: string, options?: WaitOptions): Promise<any>;
	events(options?: EventOptions): Events;
	/** What workers tell of running tasks, as it comes; nothing keeps it. */
	progress(
		options?: ProjectOption & { task_type?: string; task_ids?: Iterable<string>; signal?: AbortSignal },
	): AsyncGenerator<Progress, void, undefined>;
	status(options?: CallOptions & ProjectOption & { window_s?: number }): Promise<QueueStatus>;
	timeline(options?: CallOptions & ProjectOption & { batch_id?: string }): Promise<Timeline>;
	/** What could be leased now, best first. */
	executable(options?: CallOptions & ProjectOption & { task_type?: string; limit?: number }): Promise<Executable[]>;
	explain(task_id: string, options?: CallOptions & ProjectOption): Promise<Explanation>;
	cancel(tasks: TaskNames, options?: CommandOptions): Promise<Changed[]>;
	/** cascade: takes those along that were skipped because of it. */
	retry(tasks: TaskNames, options?: CommandOptions & { cascade?: boolean }): Promise<Changed[]>;
	approve(tasks: TaskNames, options?: CommandOptions): Promise<Changed[]>;
	reject(tasks: TaskNames, options?: CommandOptions): Promise<Changed[]>;
	update(tasks: TaskNames, options: CommandOptions & { priority: number }): Promise<Changed[]>;
	pause(options: CallOptions & { task_type?: string; project?: string; reason?: string }): Promise<void>;
	resume(options: CallOptions & { task_type?: string; project?: string; reason?: string }): Promise<void>;
	services(options?: { waitMs?: number }): Promise<{ name: string; id: string; version: string }[]>;
	/** Any request of the contract, without the prefix: repeated as the others, the refusal thrown. */
	request(
		subject: string,
		body: object,
		options?: CallOptions & { tryMs?: number; traceparent?: string },
	): Promise<any>;
}

/** A task of a graph. */
export interface GraphTask {
	readonly name: string;
	readonly task_id: string;
	/** This one runs after those. */
	after(...tasks: (GraphEdge | GraphEdge[])[]): this;
	/** Those run after this one; returns the last of them. */
	before(...tasks: (string | GraphTask | (string | GraphTask)[])[]): GraphTask;
	toJSON(): Task;
}

export type GraphEdge = string | GraphTask | { task: string | GraphTask; when?: When };

/** A graph by names: ids are the names behind the prefix. */
export class Graph implements Iterable<GraphTask> {
	constructor(options?: { project?: string; batch_id?: string; prefix?: string });
	readonly batch_id: string;
	readonly size: number;
	readonly tasks: Task[];
	add(
		name: string,
		task_type: string,
		fields?: Omit<Task, "task_id" | "task_type"> & { after?: GraphEdge | GraphEdge[] },
	): GraphTask;
	get(name: string): GraphTask;
	[Symbol.iterator](): Iterator<GraphTask>;
}

/** Edges that hold when the task has failed; or ended, however it did. */
export function failed(task: string | GraphTask): GraphEdge;
export function finished(task: string | GraphTask): GraphEdge;

/** One try of one task, as its handler sees it. */
export interface Job<Context = any> {
	readonly project: string;
	readonly task_id: string;
	readonly task_type: string;
	readonly batch_id: string;
	/** 1 for the first. */
	readonly attempt: number;
	/** How the last try failed; null where none has. */
	readonly error: TaskError | null;
	/** The execution_context. */
	readonly context: Context;
	/** The result of each dependency that completed. */
	readonly inputs: Record<string, any>;
	readonly traceparent: string | null;
	readonly task: DeliveredTask;
	/** Aborted by a cancel (Cancelled), a lost lease (LeaseLost), and at the end of a stop (Stopping). */
	readonly signal: AbortSignal;
	/** Told live to whoever listens; sent soon, the latest wins. */
	progress(progress: object): void;
}

export type Handler<Context = any> = (job: Job<Context>) => unknown;
export type JobEnd = "returned" | "failed" | "released" | "cancelled" | "lease_lost";

export interface WorkerOptions {
	/** Host and process by default. */
	name?: string;
	/** Tasks of a type that run at once; 4. */
	concurrency?: number;
	/** How long a task stays ours without a word from us; renewed by itself. 30,000. */
	lease_ms?: number;
	/** How long a stop waits for what runs; 30,000. */
	graceMs?: number;
}

export interface WorkerEvents {
	started: [job: Job];
	failed: [job: Job, error: Error];
	ended: [job: Job, how: JobEnd, status?: Status];
	/** A request that was not answered and will be repeated, or a result that was refused. Unheard, it is a warning. */
	problem: [error: Error];
}

export class Worker extends EventEmitter<WorkerEvents> implements AsyncDisposable {
	constructor(client: Client, options?: WorkerOptions);
	readonly name: string;
	/** What runs now. */
	readonly jobs: Job[];
	readonly stopping: boolean;
	/** What the handler returns is the result; what it throws is a failed try (TaskFailed, any error) or a Release. */
	task<Context = any>(task_type: string, handler: Handler<Context>, options?: { concurrency?: number }): this;
	start(): this;
	/** Until stop(), the signal, or SIGTERM or SIGINT (unless signals is false). What runs is finished first. */
	run(options?: { signal?: AbortSignal; signals?: boolean }): Promise<void>;
	/** Takes no more; what runs may finish within graceMs, then it is aborted and given back. */
	stop(options?: { graceMs?: number }): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

export class CorderError extends Error {}

/** Corder answered, and the answer is no. */
export class Refused extends CorderError {
	readonly code: ErrorCode;
	/** The service's own sentence. */
	readonly detail: string;
	/** JSON pointer to the member that is wrong. */
	readonly path?: string;
	readonly tasks?: string[];
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
/** Says nothing about the outcome. The client repeated the request for its patience. */
export class Unavailable extends Refused {}
/** Nothing answered for as long as the client is patient. Says nothing about the outcome. */
export class NoAnswer extends CorderError {
	readonly subject: string;
}
export class WaitTimeout extends CorderError {
	readonly finished: Map<string, Outcome>;
	readonly unfinished: string[];
}
export class EventsLost extends CorderError {
	readonly position?: number;
}
export class TaskEnded extends CorderError {
	readonly task: Outcome;
	readonly status: FinalStatus;
}
/** For handlers: this try failed; with retryable false there is no other one. */
export class TaskFailed extends CorderError {
	constructor(message: string, options?: { retryable?: boolean; cause?: unknown });
	readonly retryable: boolean;
}
/** For handlers: give the task back, at no try. */
export class Release extends CorderError {
	constructor(message?: string);
}
/** Reasons of a job's signal. */
export class Cancelled extends CorderError {}
export class LeaseLost extends CorderError {}
export class Stopping extends CorderError {}

export function isFinal(task: { status: string }): boolean;
export const finalStatuses: ReadonlySet<string>;
/** 26 characters that sort by time. */
export function newId(): string;

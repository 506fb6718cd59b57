// Types of corder/langgraph.
import type { DynamicStructuredTool } from "@langchain/core/tools";
import type { RunnableConfig } from "@langchain/core/runnables";
import {
	AnnotationRoot,
	BaseChannel,
	BinaryOperatorAggregate,
	type CheckpointTuple,
	type Interrupt,
	type LangGraphRunnableConfig,
} from "@langchain/langgraph";
import {
	Client,
	CorderError,
	Executable,
	Graph,
	Handler,
	Job,
	QueueStatus,
	Status,
	Task,
	TaskInfo,
	TimelineTask,
	Event,
} from "../index.js";

/** A task as the state knows it. What is null is left out; version 0: submitted, no event seen yet. */
export interface TaskRecord {
	task_id: string;
	batch_id?: string;
	task_type?: string;
	service_name?: string;
	priority?: number;
	dependencies?: unknown[];
	status: Status | "rejected";
	version?: number;
	attempt?: number;
	at?: string;
	worker?: string;
	reason?: string;
	error?: { code: string; message: string };
	because?: string;
	waits_for?: string[];
	result?: any;
}

/** An event in task_execution_log. */
export type LogEntry = Pick<
	Event,
	| "event_id"
	| "seq"
	| "position"
	| "task_id"
	| "batch_id"
	| "task_type"
	| "status"
	| "version"
	| "attempt"
	| "at"
	| "worker"
	| "reason"
	| "error"
	| "because"
> & { previous?: Status };

export type Collection = "pending" | "running" | "completed" | "failed";
export type Tasks = Record<string, TaskRecord>;
/** What a collection keeps: its tasks, and the rank (version, collection) of those that were seen elsewhere. */
export interface Memory {
	tasks: Tasks;
	left: Record<string, number[]>;
}

/** Where the work is: enough to find it again from another process. */
export interface QueueReference {
	project?: string;
	batch_id?: string;
	prefix?: string;
}

export const LOG_LIMIT: number;
export function emptyMemory(): Memory;
export function reduceCollection(collection: Collection, memory: Memory, records: Iterable<TaskRecord>): Memory;
export function mergeMemory(collection: Collection, one: Memory, other: Memory): Memory;
export function reduceTasks(
	state: { [key: string]: any },
	records: Iterable<TaskRecord>,
): Record<"pending_tasks" | "running_tasks" | "completed_tasks" | "failed_tasks", Tasks>;
export function logReducer(limit?: number): (log: LogEntry[] | undefined, events: LogEntry[] | undefined) => LogEntry[];
export function reduceLog(log: LogEntry[] | undefined, events: LogEntry[] | undefined): LogEntry[];
/** Where a reader of the stream of events goes on. */
export function resumePosition(log: LogEntry[] | undefined): number | undefined;
/** A node's update of the state: every collection is told of every task. */
export function updates(records: TaskRecord[], entries?: LogEntry[]): Record<string, unknown>;

export function collectionOf(status: string): Collection;
export function mergeRecords(one: TaskRecord, other: TaskRecord): TaskRecord;
export function recordOfEvent(event: Event): TaskRecord;
export function recordOfTask(task: TaskInfo): TaskRecord;
export function logEntry(event: Event): LogEntry;

/** The channel of a collection. Its updates: a list of records, or tasks by id. */
export class TaskCollection extends BaseChannel<Tasks, TaskRecord[] | Tasks, Memory> {
	lc_graph_name: string;
	constructor(collection: Collection);
	readonly collection: Collection;
	fromCheckpoint(checkpoint?: Memory): this;
	update(values: (TaskRecord[] | Tasks)[]): boolean;
	get(): Tasks;
	checkpoint(): Memory;
}

export type CorderState = {
	task_queue_manager: BinaryOperatorAggregate<QueueReference, QueueReference>;
	pending_tasks: () => TaskCollection;
	running_tasks: () => TaskCollection;
	completed_tasks: () => TaskCollection;
	failed_tasks: () => TaskCollection;
	task_execution_log: BinaryOperatorAggregate<LogEntry[], LogEntry[]>;
};

/** The six keys, to spread into a state of your own. */
export function corderState(options?: { logLimit?: number }): CorderState;
export const CodingAgentState: AnnotationRoot<CorderState>;

export type Submittable = Task | Task[] | Graph;

export interface TaskBatch {
	batch_id: string;
	/** The full id of each task by the name it has in the batch. */
	task_ids: Record<string, string>;
	records: TaskRecord[];
	/** It was there already: this step ran before. */
	repeated: boolean;
}

export interface Observation {
	records: TaskRecord[];
	events: LogEntry[];
	finished: TaskRecord[];
}

interface Signal {
	signal?: AbortSignal;
}

export class LeasedTask {
	readonly task_id: string;
	readonly context: any;
	readonly task: any;
	complete(result?: unknown): Promise<Status>;
	fail(message: string, options?: { retryable?: boolean }): Promise<Status>;
	release(): Promise<Status>;
	/** true: somebody cancelled the task. */
	renew(options?: { lease_ms?: number; progress?: object }): Promise<boolean>;
}

/** The live object, given to nodes as runtime context: { context: { task_queue_manager } }. */
export class TaskQueueManager {
	constructor(client: Client, options?: { project?: string; batch_id?: string });
	readonly client: Client;
	readonly project: string;
	readonly batch_id?: string;
	reference(batch_id?: string): QueueReference;
	submit_task_batch(
		tasks: Submittable,
		options?: Signal & { key?: string; config?: RunnableConfig },
	): Promise<TaskBatch>;
	get_executable_tasks(options?: Signal & { task_type?: string; limit?: number }): Promise<Executable[]>;
	/** Leases them. */
	get_next_executable_batch(
		batch_size: number,
		task_type: string,
		options?: Signal & { worker?: string; lease_ms?: number; wait_ms?: number },
	): Promise<LeasedTask[]>;
	get_queue_status(options?: Signal & { window_s?: number }): Promise<QueueStatus>;
	get_task_timeline(options?: Signal & { batch_id?: string }): Promise<TimelineTask[]>;
	submitTaskBatch: TaskQueueManager["submit_task_batch"];
	getExecutableTasks: TaskQueueManager["get_executable_tasks"];
	getNextExecutableBatch: TaskQueueManager["get_next_executable_batch"];
	getQueueStatus: TaskQueueManager["get_queue_status"];
	getTaskTimeline: TaskQueueManager["get_task_timeline"];
	observe(task_ids: string[], options?: Signal & { log?: LogEntry[] }): Promise<Observation>;
}

export function managerOf(config: RunnableConfig | undefined): TaskQueueManager;
export class MissingManager extends CorderError {}
export function observe(
	client: Client,
	project: string,
	task_ids: string[],
	options?: Signal & { log?: LogEntry[] },
): Promise<Observation>;

export type Count = "all" | "any" | number;
export type Node = (state: any, config: LangGraphRunnableConfig) => Promise<Record<string, unknown>>;
export type Build = (state: any, config: LangGraphRunnableConfig) => Submittable | Promise<Submittable>;

export interface WaitNodeOptions {
	/** How many have to end: "all" (default), "any", or a number. */
	count?: Count;
	/** "block" (default) stays in the node; "interrupt" ends the run until drive() or somebody resumes it. */
	how?: "block" | "interrupt";
	/** Only for "block". */
	timeoutMs?: number;
	/** More of the update, from those that ended, in the order of their ids. */
	collect?: (ended: TaskRecord[], state: any) => Record<string, unknown> | Promise<Record<string, unknown>>;
}

export function submitNode(build: Build, options?: { key?: string }): Node;
export function waitNode(
	options?: WaitNodeOptions & {
		task_ids?: (state: any, config: LangGraphRunnableConfig) => Iterable<string> | Promise<Iterable<string>>;
	},
): Node;
export function submitAndWaitNode(build: Build, options?: WaitNodeOptions & { key?: string }): Node;

/** The value of a wait's interrupt. */
export interface WaitValue {
	type: "corder.wait";
	project: string;
	prefix: string;
	batch_id: string | null;
	task_ids: string[];
	count: Count;
	position: number | null;
}
export function isWait(value: unknown): value is WaitValue;
export function enough(count: Count, finished: number, total: number): boolean;

/** What drive() needs of a graph. */
export interface Drivable {
	invoke(input: any, config?: any): Promise<any>;
	getState(config: any): Promise<any>;
}
/** Runs a graph, resuming its waits, until it has ended or waits for somebody else only. input null: where it stands. */
export function drive(
	graph: Drivable,
	input: unknown,
	config: RunnableConfig & { context?: any },
	options: { manager: TaskQueueManager; run?: (input: unknown) => Promise<unknown> },
): Promise<{ values: any; interrupts: Interrupt[]; next: string[] }>;

/** A state's interrupts that nobody has answered, for a driver of your own: LangGraph's own list has more. */
export function openInterrupts(graph: Drivable, state: any): Promise<Interrupt[]>;

export function corderTool(
	build: (input: any, config: RunnableConfig) => Submittable | Promise<Submittable>,
	options: {
		name: string;
		description: string;
		/** Zod or JSON schema of the input. */
		schema: any;
		/** false: answers at once, with the ids. */
		wait?: boolean;
		how?: "block" | "interrupt";
		count?: Count;
		timeoutMs?: number;
		/** Also tells the graph's state, which needs Corder's keys and messages. */
		update?: boolean;
	},
): DynamicStructuredTool;

/** A graph as the handler of a task type: worker.task("coding", graphHandler(graph)). */
export function graphHandler(
	graph: any,
	options?: {
		input?: (job: Job) => unknown;
		output?: (values: any, job: Job) => unknown;
		thread?: (job: Job) => string;
		config?: RunnableConfig;
		context?: any;
		manager?: TaskQueueManager;
	},
): Handler;

export class PositionError extends CorderError {}
export class Position {
	readonly thread_id: string;
	readonly level: string;
	readonly checkpoint_id: string;
	readonly node: string;
	readonly path: string;
	readonly replayed_in: string;
	/** The prefix of the ids of all tasks that this step submits under this key. */
	base(key?: string): string;
}
export function locate(config: RunnableConfig | undefined, key?: string): Promise<Position | undefined>;
export function batchOf(thread_id: string): string;
export function origins(checkpoints: CheckpointTuple[]): Map<string, string>;

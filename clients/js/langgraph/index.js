// corder/langgraph: Corder in LangGraph graphs, and LangGraph graphs as workers of Corder.
export { drive } from "./driver.js";
export { LeasedTask, MissingManager, TaskQueueManager, managerOf } from "./manager.js";
export { submitAndWaitNode, submitNode, waitNode } from "./nodes.js";
export { observe } from "./observing.js";
export { Position, PositionError, batchOf, locate, openInterrupts, origins } from "./position.js";
export { collectionOf, logEntry, mergeRecords, recordOfEvent, recordOfTask } from "./records.js";
export {
	LOG_LIMIT,
	emptyMemory,
	logReducer,
	mergeMemory,
	reduceCollection,
	reduceLog,
	reduceTasks,
	resumePosition,
	updates,
} from "./reducers.js";
export { CodingAgentState, TaskCollection, corderState } from "./state.js";
export { corderTool } from "./tool.js";
export { enough, isWait } from "./waits.js";
export { graphHandler } from "./worker.js";

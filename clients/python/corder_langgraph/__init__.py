"""Corder in LangGraph: a state that knows its tasks, nodes that submit and wait, and graphs that are workers."""

from .driver import Driver, questions, waiting_threads
from .leases import LeasedTask
from .manager import MissingManager, TaskBatch, TaskQueueManager
from .nodes import CorderNode, submit_and_wait_node, submit_node, wait_node
from .records import LogEvent, TaskRecord, collection_of, merge_records
from .reducers import log_reducer, reduce_collection, reduce_log, reduce_tasks, resume_position, updates
from .state import CodingAgentState, QueueReference, TaskCollection, all_tasks
from .tool import submit_tasks_tool
from .waits import Wait, open_interrupts
from .worker import graph_handler, thread_of

__all__ = [
    "CodingAgentState",
    "CorderNode",
    "Driver",
    "LeasedTask",
    "LogEvent",
    "MissingManager",
    "QueueReference",
    "TaskBatch",
    "TaskCollection",
    "TaskQueueManager",
    "TaskRecord",
    "Wait",
    "all_tasks",
    "collection_of",
    "graph_handler",
    "log_reducer",
    "merge_records",
    "open_interrupts",
    "questions",
    "reduce_collection",
    "reduce_log",
    "reduce_tasks",
    "resume_position",
    "submit_and_wait_node",
    "submit_node",
    "submit_tasks_tool",
    "thread_of",
    "updates",
    "wait_node",
    "waiting_threads",
]

"""The state of a graph that gives work to Corder: the six keys, and the channel behind the four collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypedDict

from langgraph.channels.base import BaseChannel
from langgraph.types import Overwrite
from typing_extensions import Self

from .records import COLLECTIONS, Collection, LogEvent, TaskRecord
from .reducers import Memory, empty_memory, merge_memory, reduce_collection, reduce_log, reduce_tasks


class QueueReference(TypedDict, total=False):
    """Where the work is: enough to find it again from another process. Never a live object."""

    project: str
    batch_id: str
    prefix: str


class TaskMap(dict[str, TaskRecord]):
    """Tasks by id. `left` tells a graph around this one which tasks are in another collection now."""

    left: dict[str, TaskRecord]

    def __init__(self, memory: Memory | None = None) -> None:
        super().__init__(memory["tasks"] if memory else {})
        self.left = memory["left"] if memory else {}


class TaskCollection(BaseChannel[dict[str, TaskRecord], Any, Memory]):
    """A channel that holds the tasks of one collection. Its updates: a list of records, or tasks by id."""

    __slots__ = ("collection", "memory")

    def __init__(self, collection: Collection, typ: Any = dict[str, TaskRecord], key: str = "") -> None:
        if collection not in COLLECTIONS:
            raise ValueError(f"there is no collection {collection!r}: {', '.join(COLLECTIONS)}")
        super().__init__(typ, key)
        self.collection = collection
        self.memory = empty_memory()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskCollection) and other.collection == self.collection

    __hash__ = None  # type: ignore[assignment]

    @property
    def ValueType(self) -> Any:
        return self.typ

    @property
    def UpdateType(self) -> Any:
        return self.typ

    def from_checkpoint(self, checkpoint: Any) -> Self:
        channel = self.__class__(self.collection, self.typ, self.key)
        if isinstance(checkpoint, Mapping) and "tasks" in checkpoint and "left" in checkpoint:
            channel.memory = {"tasks": dict(checkpoint["tasks"]), "left": dict(checkpoint["left"])}
        return channel

    def checkpoint(self) -> Memory:
        return self.memory

    def get(self) -> dict[str, TaskRecord]:
        return TaskMap(self.memory)

    def is_available(self) -> bool:
        return True

    def update(self, values: Sequence[Any]) -> bool:
        before = self.memory
        for value in values:
            if isinstance(value, Overwrite):
                self.memory, value = empty_memory(), value.value
            self.memory = self._with(value)
        return bool(values) and self.memory != before

    def _with(self, value: Any) -> Memory:
        if value is None:
            return self.memory
        if isinstance(value, TaskMap):
            return merge_memory(self.collection, self.memory, {"tasks": dict(value), "left": value.left})
        records: Iterable[TaskRecord] = value.values() if isinstance(value, Mapping) else value
        return reduce_collection(self.collection, self.memory, records)


def latest_reference(held: QueueReference | None, given: QueueReference | None) -> QueueReference:
    """The reducer of task_queue_manager: what is said anew replaces what was said before."""
    return {**(held or {}), **(given or {})}


PendingTasks = Annotated[dict[str, TaskRecord], TaskCollection("pending")]
RunningTasks = Annotated[dict[str, TaskRecord], TaskCollection("running")]
CompletedTasks = Annotated[dict[str, TaskRecord], TaskCollection("completed")]
FailedTasks = Annotated[dict[str, TaskRecord], TaskCollection("failed")]
ExecutionLog = Annotated[list[LogEvent], reduce_log]
QueueManager = Annotated[QueueReference, latest_reference]


class CodingAgentState(TypedDict, total=False):
    """A state to use as it is, or to inherit from: `class MyState(CodingAgentState): messages: …`."""

    task_queue_manager: QueueManager
    pending_tasks: PendingTasks
    running_tasks: RunningTasks
    completed_tasks: CompletedTasks
    failed_tasks: FailedTasks
    task_execution_log: ExecutionLog


def all_tasks(state: Mapping[str, Any]) -> dict[str, TaskRecord]:
    """Every task that the state knows, by id."""
    folded = reduce_tasks(state, ())
    return {task_id: record for tasks in folded.values() for task_id, record in tasks.items()}

"""TaskQueueManager: the live object through which a graph's nodes use Corder. It is the graph's runtime context.

It derives the ids of what it submits from where in the graph it is called, so that running a step again submits
nothing twice. What it knows is in Corder; the state holds only `reference()`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig

import corder

from .leases import LeasedTask, lease
from .naming import TaskLike, scoped
from .observing import Observation, observe
from .position import SCRATCHPAD, Position, batch_of, here, locate, runtime_of
from .records import LogEvent, TaskRecord
from .state import QueueReference

T = TypeVar("T")

STEPS_REMEMBERED = 10_000


class MissingManager(Exception):
    """A node of this package ran in a graph that was given no TaskQueueManager."""


@dataclass(frozen=True)
class TaskBatch:
    """What was submitted: the full id of each task by its name in the batch, and the first records for the state."""

    batch_id: str
    task_ids: dict[str, str]
    records: list[TaskRecord]
    repeated: bool
    """It was there already: this step ran before."""


@dataclass(eq=False, repr=False)
class TaskQueueManager:
    """Submits, asks and waits for a graph, on one connection. Safe for any number of nodes at once."""

    client: corder.Client
    project: str = ""
    """The client's, unless given."""
    batch_id: str | None = None
    """Of all that is submitted; otherwise each thread is a batch."""

    def __post_init__(self) -> None:
        self.project = self.client.project_of(self.project or None)
        self._loop = _running_loop()
        self._calls: OrderedDict[int, tuple[Any, int, int]] = OrderedDict()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str | None = None, *, project: str | None = None, batch_id: str | None = None, **options: Any
    ) -> AsyncIterator[TaskQueueManager]:
        """`async with TaskQueueManager.connect(project="shop") as manager`; the options are those of corder.connect."""
        async with corder.connect(url, project=project, **options) as client:
            yield cls(client, batch_id=batch_id)

    @classmethod
    @contextmanager
    def threaded(
        cls, url: str | None = None, *, project: str | None = None, batch_id: str | None = None, **options: Any
    ) -> Iterator[TaskQueueManager]:
        """For graphs that run with invoke() and stream(): the connection lives on a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="corder-langgraph", daemon=True)
        thread.start()

        async def make() -> TaskQueueManager:
            return cls(await corder.connect(url, project=project, **options), batch_id=batch_id)

        try:
            manager = asyncio.run_coroutine_threadsafe(make(), loop).result()
            try:
                yield manager
            finally:
                asyncio.run_coroutine_threadsafe(manager.client.close(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine of this manager from a synchronous node, on the loop's thread while this one waits."""
        if self._loop is None:
            raise RuntimeError("a manager that was made outside of a loop serves no synchronous node: use threaded()")
        if _running_loop() is self._loop:
            work.close()
            raise RuntimeError(
                "invoke would wait for its own loop here: use ainvoke or astream, or a threaded() manager"
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits a coroutine of this manager, from whatever loop."""
        if self._loop is None or _running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def reference(self, batch_id: str | None = None) -> QueueReference:
        """What the state keeps of this object."""
        reference: QueueReference = {"project": self.project, "prefix": self.client.wire.prefix}
        chosen = batch_id or self.batch_id
        if chosen:
            reference["batch_id"] = chosen
        return reference

    # ---- the queue, by the names of its first design

    async def submit_task_batch(
        self,
        tasks: TaskLike | Iterable[TaskLike] | corder.Graph,
        *,
        key: str = "",
        config: RunnableConfig | None = None,
    ) -> TaskBatch:
        """Submits tasks, whole or not at all. In a node, a second execution of the same step submits nothing new.

        In a node, task ids become names within this submission; behind the name, a full id says which step of the graph
        it is from. Tasks without an id are numbered. A dependency is a name of this submission or another task's id.
        Several submissions of one node are told apart by their order; if they run at once, give each a key.
        """
        config = here(config)
        position = await locate(config, key)
        if position is not None and not key:
            key = self._count_call(config)
        return await self._submit(tasks, position, key)

    async def get_executable_tasks(self, task_type: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """The project's tasks that could be leased now, best first, with the terms of their score."""
        body: dict[str, Any] = {"project": self.project, "limit": limit}
        if task_type:
            body["task_type"] = task_type
        found: list[dict[str, Any]] = (await self.client.request("executable", body))["tasks"]
        return [task for task in found if task["project"] == self.project]

    async def get_next_executable_batch(
        self, batch_size: int, task_type: str, *, worker: str = "langgraph", lease_s: float = 60.0, wait_s: float = 0.0
    ) -> list[LeasedTask]:
        """Leases up to so many tasks of a type, best first, for a graph that works on them itself."""
        return await lease(self.client, task_type, batch_size, worker=worker, lease_s=lease_s, wait_s=wait_s)

    async def get_queue_status(self, window_s: int | None = None) -> dict[str, Any]:
        """pending_count, running_count, completed_count, failed_count, queue_health, average_wait_time, throughput …"""
        return (await self.client.status(project=self.project, window_s=window_s)).raw

    async def get_task_timeline(self, batch_id: str | None = None) -> list[dict[str, Any]]:
        """For each task in order of submission: when it was created, ready, tried and finished, and by whom."""
        timeline = await self.client.timeline(project=self.project, batch_id=batch_id or self.batch_id)
        tasks: list[dict[str, Any]] = timeline.raw["tasks"]
        return tasks

    async def observe(self, task_ids: Iterable[str], log: Iterable[LogEvent] = ()) -> Observation:
        """What is true of tasks now, and those of their events that the log does not have."""
        return await observe(self.client, self.project, list(task_ids), log)

    async def _submit(
        self, tasks: TaskLike | Iterable[TaskLike] | corder.Graph, position: Position | None, key: str
    ) -> TaskBatch:
        batch_id = self.batch_id
        if batch_id is None and position is not None:
            batch_id = batch_of(position.thread_id or position.checkpoint_id)
        batch = scoped(tasks, position.base(key) if position else "")
        try:
            submission = await self.client.submit(cast(Any, batch.bodies), project=self.project, batch_id=batch_id)
        except corder.Conflict:
            if position is None:
                raise
            if position.replayed_in:
                # The replay wants something else than the original did: that is new work.
                return await self._submit(tasks, position.apart(), key)
            return await self._adopt(batch.names, batch_id or "")
        repeated = bool(submission.tasks) and all(task.result == "duplicate" for task in submission.tasks)
        return TaskBatch(submission.batch_id, batch.names, batch.records(submission.batch_id), repeated)

    async def _adopt(self, names: dict[str, str], batch_id: str) -> TaskBatch:
        """These ids are this step's own: an earlier execution of it has submitted something else, and that counts."""
        seen = await observe(self.client, self.project, list(names.values()))
        return TaskBatch(batch_id, names, seen.records, True)

    def _count_call(self, config: RunnableConfig | None) -> str:
        """ "" for the first submission of a node's execution, "#2" for the second …

        An execution is known by the scratchpad that LangGraph makes for it; kept here, so that its id stays its own.
        """
        settings = (config or {}).get("configurable", {})
        runtime = runtime_of(config)
        attempt = runtime.execution_info.node_attempt if runtime and runtime.execution_info else 1
        pad = settings.get(SCRATCHPAD)
        held = self._calls.pop(id(pad), None)
        calls = held[2] + 1 if held is not None and held[0] is pad and held[1] == attempt else 1
        self._calls[id(pad)] = (pad, attempt, calls)
        if len(self._calls) > STEPS_REMEMBERED:
            self._calls.popitem(last=False)
        return "" if calls == 1 else f"#{calls}"


def manager_of(config: RunnableConfig | None) -> TaskQueueManager:
    """The manager in a graph's runtime context: the context itself, or its task_queue_manager."""
    runtime = runtime_of(config)
    context = runtime.context if runtime is not None else None
    if isinstance(context, TaskQueueManager):
        return context
    held = context.get("task_queue_manager") if isinstance(context, Mapping) else None
    held = held or getattr(context, "task_queue_manager", None)
    if isinstance(held, TaskQueueManager):
        return held
    raise MissingManager(
        "this graph was given no TaskQueueManager: run it with context=manager, or with a context whose "
        "task_queue_manager is one"
    )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

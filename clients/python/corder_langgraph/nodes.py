"""Nodes that submit and wait. Each works with invoke and with ainvoke, in a graph's own steps and under Send.

Waiting goes two ways. `block` stays in the node, for work of minutes, and tells of each event on the custom stream.
`interrupt` ends the run with a LangGraph interrupt, for work of hours; a Driver (or anybody) resumes it by the
interrupt's id when the tasks have ended. Either way the node asks Corder how things are before it believes anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.types import interrupt

import corder

from .manager import TaskQueueManager, manager_of
from .naming import TaskLike
from .observing import Observation
from .position import runtime_of
from .records import FINAL, TaskRecord, log_event
from .reducers import updates
from .state import all_tasks
from .streaming import Live
from .waits import Count, Wait, enough

How = Literal["block", "interrupt"]
Tasks = TaskLike | Iterable[TaskLike] | corder.Graph
Build = Callable[[Any], Tasks | Awaitable[Tasks]]
Collect = Callable[[list[TaskRecord]], Mapping[str, Any]]
Choose = Callable[[Any], Iterable[str]]
Body = Callable[[Any, RunnableConfig, TaskQueueManager], Coroutine[Any, Any, dict[str, Any]]]


class CorderNode(Runnable[Any, dict[str, Any]]):
    """A node with a synchronous and an asynchronous face around one coroutine."""

    def __init__(self, name: str, body: Body):
        self.name = name
        self._body = body

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        config = config or {}
        manager = manager_of(config)
        with set_config_context(config) as context:
            return context.run(manager.run, self._body(input, config, manager))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        config = config or {}
        with set_config_context(config):
            manager = manager_of(config)
            return await manager.on_loop(self._body(input, config, manager))


def submit_node(build: Build, *, key: str = "") -> CorderNode:
    """A node that submits what `build(state)` returns and goes on at once. Its tasks are in pending_tasks then."""

    async def body(state: Any, config: RunnableConfig, manager: TaskQueueManager) -> dict[str, Any]:
        batch = await manager.submit_task_batch(await _built(build, state), key=key, config=config)
        return {"task_queue_manager": manager.reference(batch.batch_id), **updates(batch.records)}

    return CorderNode("submit", body)


def wait_node(
    task_ids: Choose | None = None,
    *,
    count: Count = "all",
    how: How = "block",
    timeout: float | None = None,
    collect: Collect | None = None,
) -> CorderNode:
    """A node that waits until tasks have ended: all, any, or so many of them.

    task_ids  which, from the state; otherwise all that the state holds as pending or running
    timeout   seconds, only for "block"; then corder.WaitTimeout is raised
    collect   makes more of the update from the records of those that ended, in the order of task_ids
    """
    _check(count, how, timeout)

    async def body(state: Any, config: RunnableConfig, manager: TaskQueueManager) -> dict[str, Any]:
        ids = list(dict.fromkeys(task_ids(state) if task_ids else _unfinished(state)))
        return await _wait(state, config, manager, Wait.of(manager, ids, count), how, timeout, collect, [])

    return CorderNode("wait", body)


def submit_and_wait_node(
    build: Build,
    *,
    key: str = "",
    count: Count = "all",
    how: How = "block",
    timeout: float | None = None,
    collect: Collect | None = None,
) -> CorderNode:
    """Both in one node: what a fan-out by Send needs, where each branch has its own task and no state of the others."""
    _check(count, how, timeout)

    async def body(state: Any, config: RunnableConfig, manager: TaskQueueManager) -> dict[str, Any]:
        batch = await manager.submit_task_batch(await _built(build, state), key=key, config=config)
        wait = Wait.of(manager, list(batch.task_ids.values()), count, batch.batch_id)
        return await _wait(state, config, manager, wait, how, timeout, collect, batch.records)

    return CorderNode("submit_and_wait", body)


async def _built(build: Build, state: Any) -> Tasks:
    made = build(state)
    return await made if isinstance(made, Awaitable) else made


def _check(count: Count, how: How, timeout: float | None) -> None:
    if (isinstance(count, int) and count < 1) or (isinstance(count, str) and count not in ("all", "any")):
        raise ValueError(f'count is "all", "any", or a number from 1 on, not {count!r}')
    if how not in ("block", "interrupt"):
        raise ValueError(f'how is "block" or "interrupt", not {how!r}')
    if timeout is not None and how == "interrupt":
        raise ValueError('a timeout goes with how="block"; give the tasks a timeout of their own otherwise')


def _unfinished(state: Any) -> list[str]:
    return [task_id for task_id, record in all_tasks(_mapping(state)).items() if record["status"] not in FINAL]


def _mapping(state: Any) -> Mapping[str, Any]:
    return state if isinstance(state, Mapping) else vars(state) if hasattr(state, "__dict__") else {}


async def _wait(
    state: Any,
    config: RunnableConfig,
    manager: TaskQueueManager,
    wait: Wait,
    how: How,
    timeout: float | None,
    collect: Collect | None,
    submitted: list[TaskRecord],
) -> dict[str, Any]:
    held = all_tasks(_mapping(state))
    log = _mapping(state).get("task_execution_log") or []
    if how == "block":
        await _block(config, manager, wait, timeout)
        seen = await manager.observe(wait.task_ids, log)
    else:
        seen = await manager.observe(wait.task_ids, log)
        while not enough(wait.count, len(seen.finished), len(wait.task_ids)):
            # Raises in the first run. In a later one it returns what it was resumed with, which is only a reason to
            # look again: whoever resumed may have been mistaken.
            interrupt(wait.to_json(seen.position))
            seen = await manager.observe(wait.task_ids, log)
    records = [*held.values(), *submitted, *seen.records]
    changes = updates(records, seen.events)
    changes["task_queue_manager"] = manager.reference(wait.batch_id)
    return {**changes, **(collect(_ended(wait, seen)) if collect else {})}


def _ended(wait: Wait, seen: Observation) -> list[TaskRecord]:
    now = {record["task_id"]: record for record in reversed(seen.records[: len(wait.task_ids)])}
    return [now[task_id] for task_id in wait.task_ids if now[task_id]["status"] in FINAL]


async def _block(config: RunnableConfig, manager: TaskQueueManager, wait: Wait, timeout: float | None) -> None:
    if not wait.task_ids:
        return
    runtime = runtime_of(config)
    write = runtime.stream_writer if runtime is not None else lambda _: None
    heartbeat = getattr(runtime, "heartbeat", lambda: None)  # older LangGraphs have none

    def tell(event: corder.Event) -> None:
        write({"type": "corder.event", **log_event(event.raw, event.position)})
        heartbeat()

    async with Live(manager.client, manager.project, wait.task_ids, write):
        await manager.client.wait(
            wait.task_ids, project=manager.project, count=wait.count, timeout=timeout, on_event=tell
        )

"""Where in a graph a node runs, as an id that a second execution of the same step finds again.

LangGraph gives a step an id made of its checkpoint, its node and its place among the Sends of that checkpoint. A crash
and resume, an answered interrupt and a retry of the node run the same step of the same checkpoint. A replay (invoke
from an earlier checkpoint) runs it under a copy of that checkpoint: `origins` finds what it is a copy of. A fork
(update_state on an earlier checkpoint) is another checkpoint, and so another step.

The names of LangGraph's internals that this needs are all in this file.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.config import get_config
from langgraph.runtime import Runtime

from .records import canonical

SAVER = "__pregel_checkpointer"
DURABILITY = "__pregel_durability"
SCRATCHPAD = "__pregel_scratchpad"
RUNTIME = "__pregel_runtime"
ERROR = "__error__"
LEVELS = "|"
_CALL = re.compile(r"\|(\d+)$")
SAVED_WITHIN_SECONDS = 30.0


class PositionError(Exception):
    """The graph does not run in a way in which a crash would find its submissions again; it says what to do."""


@dataclass(frozen=True)
class Position:
    """A step of a graph: everything that tells it from every other, and nothing that changes when it runs again."""

    thread_id: str
    level: str
    """"" in the graph itself; in a subgraph, the namespace of the step that runs it."""
    checkpoint_id: str
    """Of the graph itself; in a replay, of what was copied; in a subgraph, with the number of steps since its input."""
    node: str
    path: str
    """"pull", or "push:N": the Nth Send of the checkpoint."""
    replayed_in: str = ""
    """In a replay: the copy's own checkpoint id, for when the replay goes another way than the original."""

    def base(self, key: str = "") -> str:
        """What the ids of all tasks have in common that this step submits under this key."""
        parts = [self.thread_id, self.level, self.checkpoint_id, self.node, self.path, key]
        return "lg-" + hashlib.sha256(canonical(parts).encode()).hexdigest()[:20]

    def apart(self) -> Position:
        """The same step as one of its own, no longer as a replay of another."""
        return replace(self, checkpoint_id=self.replayed_in, replayed_in="")


def batch_of(thread_id: str) -> str:
    """The batch in which all tasks of a thread are, so that one timeline shows them."""
    return "lg-" + hashlib.sha256(canonical(["thread", thread_id]).encode()).hexdigest()[:20]


def here(config: RunnableConfig | None = None) -> RunnableConfig | None:
    """The config of the node that runs, None outside of a graph."""
    if config is not None:
        return config
    try:
        return get_config()
    except RuntimeError:
        return None


def runtime_of(config: RunnableConfig | None) -> Runtime[Any] | None:
    return (config or {}).get("configurable", {}).get(RUNTIME)


async def locate(config: RunnableConfig | None, key: str = "") -> Position | None:
    """The position of the node that runs with this config; None outside of a graph.

    Returns when the checkpoint it stands on is saved: a crash before that would run the step again under another one.
    """
    runtime = runtime_of(config)
    info = runtime.execution_info if runtime is not None else None
    if config is None or info is None:
        return None
    settings, metadata = config["configurable"], config.get("metadata", {})
    node, path = str(metadata["langgraph_node"]), _path(metadata["langgraph_path"])
    level = info.checkpoint_ns.rpartition(LEVELS)[0]
    saver = settings.get(SAVER)
    if not isinstance(saver, BaseCheckpointSaver) or info.thread_id is None:
        return Position("", level, info.checkpoint_id, node, path)
    if settings.get(DURABILITY) == "exit":
        if not key:
            raise PositionError(
                'durability "exit" saves nothing before the graph ends, so that a crash would submit again: '
                'run it with "sync" or "async", or give the submission a key that is unique in its thread'
            )
        return Position(info.thread_id, level, "", node, "")
    root_id = (settings.get("checkpoint_map") or {}).get("", info.checkpoint_id)
    await _saved(saver, info.thread_id, root_id)
    if level:
        step = metadata["langgraph_step"] - await _begun_at(saver, info.thread_id, level)
        level = _CALL.sub("", level) if key else await _first_call(saver, info.thread_id, level)
        return Position(info.thread_id, level, f"{root_id}+{step}", node, path)
    origin = await _origin(saver, info.thread_id, root_id)
    return Position(info.thread_id, "", origin, node, path, replayed_in=root_id if origin != root_id else "")


def _path(path: Iterable[Any]) -> str:
    """A Send's place is stable, and so is the place of a task() call in its caller; a node's own name says enough."""
    kind, *places = path
    if "push" not in str(kind):
        return "pull"
    return "push:" + ",".join(str(place) for place in places if not isinstance(place, bool))


async def _saved(saver: BaseCheckpointSaver[Any], thread_id: str, checkpoint_id: str) -> None:
    config: RunnableConfig = {
        "configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
    }
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + SAVED_WITHIN_SECONDS, 0.001
    while await read_tuple(saver, config) is None:
        if loop.time() > until:
            raise PositionError(
                f"checkpoint {checkpoint_id} of thread {thread_id} was not saved within {SAVED_WITHIN_SECONDS:.0f} s"
            )
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)


async def _begun_at(saver: BaseCheckpointSaver[Any], thread_id: str, level: str) -> int:
    """The step at which a subgraph got its input. A retry of the node around it gives the input again, steps later."""
    inputs = await _list(saver, thread_id, {"source": "input"}, level)
    return max((one.metadata.get("step", -1) for one in inputs), default=-1)


async def _first_call(saver: BaseCheckpointSaver[Any], thread_id: str, level: str) -> str:
    """The level without its number of call, when all earlier calls failed: then this one is their retry.

    LangGraph numbers the calls of a subgraph within a step, and a retry of the step counts on.
    """
    called = _CALL.search(level)
    if called is None:
        return level
    first = level[: called.start()]
    for number in range(int(called[1])):
        earlier = f"{first}{LEVELS}{number}" if number else first
        config: RunnableConfig = {"configurable": {"thread_id": thread_id, "checkpoint_ns": earlier}}
        last = await read_tuple(saver, config)
        if last is None or not any(channel == ERROR for _, channel, _ in last.pending_writes or ()):
            return level
    return first


async def read_tuple(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> CheckpointTuple | None:
    """By the saver's asynchronous face where it has one. SqliteSaver and others have only the synchronous one."""
    try:
        return await saver.aget_tuple(config)
    except NotImplementedError:
        return await asyncio.to_thread(saver.get_tuple, config)


async def _list(
    saver: BaseCheckpointSaver[Any], thread_id: str, only: dict[str, Any] | None, level: str = ""
) -> list[CheckpointTuple]:
    config: RunnableConfig = {"configurable": {"thread_id": thread_id, "checkpoint_ns": level}}
    try:
        return [one async for one in saver.alist(config, filter=only)]
    except NotImplementedError:
        return await asyncio.to_thread(lambda: list(saver.list(config, filter=only)))


async def _origin(saver: BaseCheckpointSaver[Any], thread_id: str, checkpoint_id: str) -> str:
    """A thread that was never replayed costs one query that finds nothing."""
    if not await _list(saver, thread_id, {"source": "fork"}):
        return checkpoint_id
    return origins(await _list(saver, thread_id, None)).get(checkpoint_id, checkpoint_id)


def origins(checkpoints: Iterable[CheckpointTuple]) -> dict[str, str]:
    """For every checkpoint of a thread, the one that it repeats: itself, or in a replay the original's.

    A replay begins with a copy of the checkpoint it starts from. What follows repeats the original as long as its
    states are the same; from the first that differs on, it is on a way of its own.
    """
    known = {one.checkpoint["id"]: one for one in checkpoints}
    children: dict[str, list[str]] = {}
    origin: dict[str, str] = {}
    for checkpoint_id in sorted(known):
        one = known[checkpoint_id]
        parent_id = ((one.parent_config or {}).get("configurable") or {}).get("checkpoint_id")
        parent = known.get(parent_id or "")
        origin[checkpoint_id] = checkpoint_id
        if parent is None or parent_id is None:
            continue
        source = one.metadata.get("source")
        if source == "fork" and _versions(one) == _versions(parent):
            origin[checkpoint_id] = origin[parent_id]
        elif source == "loop" and origin[parent_id] != parent_id:
            twins = (known[sibling] for sibling in children.get(origin[parent_id], ()))
            twin = next((twin for twin in twins if _values(twin) == _values(one)), None)
            origin[checkpoint_id] = origin[twin.checkpoint["id"]] if twin is not None else checkpoint_id
        if source == "loop":
            children.setdefault(parent_id, []).append(checkpoint_id)
    return origin


def _versions(one: CheckpointTuple) -> Mapping[str, Any]:
    return one.checkpoint["channel_versions"]


def _values(one: CheckpointTuple) -> Mapping[str, Any]:
    return one.checkpoint["channel_values"]

"""The folds behind the state: pure functions that may see each record and event twice, late, and in any order.

A collection remembers, beside its tasks, where every task is that is elsewhere now. Without that memory a late event
would bring a task back. The memory is part of the checkpoint and not of the value that nodes read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from .records import (
    COLLECTIONS,
    STATE_KEYS,
    Collection,
    LogEvent,
    TaskRecord,
    canonical,
    collection_of,
    merge_records,
    rank_of,
    trace_of,
    with_facts,
)

LOG_LIMIT = 1000


class Memory(TypedDict):
    """What a collection keeps: its tasks, and of each that was seen elsewhere a trace (no results, no errors)."""

    tasks: dict[str, TaskRecord]
    left: dict[str, TaskRecord]


def empty_memory() -> Memory:
    return {"tasks": {}, "left": {}}


def reduce_collection(collection: Collection, memory: Memory, records: Iterable[TaskRecord]) -> Memory:
    """Folds records into one collection's memory; the given memory stays as it is."""
    tasks, left = dict(memory["tasks"]), dict(memory["left"])
    for record in records:
        task_id = record["task_id"]
        mine = collection_of(record["status"]) == collection
        told, place = (record, tasks) if mine else (trace_of(record), left)
        place[task_id] = merge_records(place[task_id], told) if task_id in place else told
        if task_id in tasks and task_id in left:
            tasks[task_id] = with_facts(tasks[task_id], left[task_id])
            left[task_id] = with_facts(left[task_id], tasks[task_id])
            if rank_of(tasks[task_id]) < rank_of(left[task_id]):
                del tasks[task_id]
    return {"tasks": tasks, "left": left}


def merge_memory(collection: Collection, one: Memory, other: Memory) -> Memory:
    """The memory that has seen what both have seen."""
    return reduce_collection(collection, one, [*other["tasks"].values(), *other["left"].values()])


def reduce_tasks(collections: Mapping[str, Any], records: Iterable[TaskRecord]) -> dict[str, dict[str, TaskRecord]]:
    """Folds records into all four collections as a node sees them; each task ends up in one."""
    latest: dict[str, TaskRecord] = {}
    seen = [record for key in STATE_KEYS.values() for record in (collections.get(key) or {}).values()]
    for record in [*seen, *records]:
        held = latest.get(record["task_id"])
        latest[record["task_id"]] = merge_records(held, record) if held else record
    return {
        STATE_KEYS[name]: {
            task_id: record for task_id, record in latest.items() if collection_of(record["status"]) == name
        }
        for name in COLLECTIONS
    }


def _identity(event: LogEvent) -> tuple[str, int, str]:
    version = event.get("version", 0)
    return event.get("task_id", ""), version, "" if version else event.get("event_id", "")


def _fuller(event: LogEvent) -> tuple[int, str]:
    return event.get("position", -1), canonical(event)


def log_reducer(limit: int = LOG_LIMIT) -> Callable[[list[LogEvent] | None, list[LogEvent] | None], list[LogEvent]]:
    """A reducer for an execution log of that many events: the newest by seq, each once, in order."""
    if limit < 1:
        raise ValueError("an execution log keeps at least one event")

    def reduce(log: list[LogEvent] | None, events: list[LogEvent] | None) -> list[LogEvent]:
        known: dict[tuple[str, int, str], LogEvent] = {}
        for event in [*(log or []), *(events or [])]:
            held = known.get(_identity(event))
            known[_identity(event)] = event if held is None else max(held, event, key=_fuller)
        ordered = sorted(known.values(), key=lambda event: (event.get("seq", 0), _identity(event)))
        return ordered[-limit:]

    return reduce


reduce_log = log_reducer()


def resume_position(log: Iterable[LogEvent]) -> int | None:
    """Where a reader of the stream of events goes on: behind the last position that the log has."""
    return max((event["position"] for event in log if "position" in event), default=None)


def updates(records: Iterable[TaskRecord], events: Iterable[LogEvent] = ()) -> dict[str, Any]:
    """A node's update of the state: every collection is told of every task, so that each knows what moved."""
    told = list(records)
    changes: dict[str, Any] = {key: told for key in STATE_KEYS.values()} if told else {}
    logged = list(events)
    if logged:
        changes["task_execution_log"] = logged
    return changes

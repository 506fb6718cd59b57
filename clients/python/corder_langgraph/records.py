"""What the state keeps of a task (a record) and of an event (a log event): plain dictionaries, so that any checkpoint
store can hold them. Owns how they are made from what Corder says, and how two records of one task become one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypedDict, cast

Collection = Literal["pending", "running", "completed", "failed"]
COLLECTIONS: tuple[Collection, ...] = ("pending", "running", "completed", "failed")
STATE_KEYS: dict[Collection, str] = {name: f"{name}_tasks" for name in COLLECTIONS}
FINAL = frozenset({"completed", "failed", "cancelled", "skipped", "rejected"})

_COLLECTION_OF: dict[str, Collection] = {
    "blocked": "pending",
    "pending": "pending",
    "retry": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "skipped": "failed",
    "rejected": "failed",
}


class TaskRecord(TypedDict, total=False):
    """A task as the state knows it. What is null is left out. `version` 0: submitted, no event seen yet."""

    task_id: str
    batch_id: str
    task_type: str
    service_name: str
    priority: int
    dependencies: list[Any]
    status: str
    version: int
    attempt: int
    at: str
    worker: str
    reason: str
    error: dict[str, Any]
    because: str
    waits_for: Any
    result: Any


class LogEvent(TypedDict, total=False):
    """An event in `task_execution_log`. `position` is its place in the stream of events, if it came from there."""

    event_id: str
    seq: int
    position: int
    task_id: str
    batch_id: str
    task_type: str
    status: str
    previous: str
    version: int
    attempt: int
    at: str
    worker: str
    reason: str
    error: dict[str, Any]
    because: str


# What never changes after the submission, and what every version says anew.
_STATIC = ("batch_id", "task_type", "service_name", "priority", "dependencies")
_MOVING = ("status", "version", "attempt", "at", "worker", "reason", "error", "because", "waits_for", "result")
_LOGGED = tuple(LogEvent.__annotations__)


def collection_of(status: str) -> Collection:
    """Which of the four collections a status belongs to."""
    try:
        return _COLLECTION_OF[status]
    except KeyError:
        raise ValueError(f"there is no status {status!r}") from None


def rank_of(record: TaskRecord) -> tuple[int, int]:
    """Orders records of one task: the later version, and a refusal behind the submission that it refuses."""
    return record.get("version", 0), COLLECTIONS.index(collection_of(record["status"]))


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _moving(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in _MOVING if name in record}


def merge_records(one: TaskRecord, other: TaskRecord) -> TaskRecord:
    """The later of two records of a task, with what only the other knows of its submission.

    Commutative, associative and idempotent, whatever the records say.
    """
    later = max((one, other), key=lambda record: (rank_of(record), canonical(_moving(record))))
    earlier = other if later is one else one
    return with_facts(later, earlier)


def with_facts(record: TaskRecord, other: TaskRecord) -> TaskRecord:
    """A record, with what only the other knows of the task's submission."""
    both: list[Mapping[str, Any]] = [record, other]
    facts = {
        name: max((one[name] for one in both if name in one), key=canonical)
        for name in _STATIC
        if name in record or name in other
    }
    return cast(TaskRecord, {"task_id": record["task_id"], **_moving(record), **facts})


def trace_of(record: TaskRecord) -> TaskRecord:
    """What another collection has to know of a task: how far it was, and what was submitted."""
    kept = ("task_id", "status", "version", *_STATIC)
    return cast(TaskRecord, {name: value for name, value in record.items() if name in kept})


def record_of_event(event: Mapping[str, Any]) -> TaskRecord:
    """The record that an event of Corder (its JSON) makes."""
    record = _known(event, ("task_id", "batch_id", "task_type", *_MOVING))
    submitted = event.get("task")
    if isinstance(submitted, Mapping):
        record.update(_known(submitted, ("service_name", "priority", "dependencies")))
    return cast(TaskRecord, record)


def record_of_task(task: Mapping[str, Any]) -> TaskRecord:
    """The record that the reply to `task.get` (its JSON) makes. Its priority may have been changed since: left out."""
    record = _known(task, ("task_id", "batch_id", "task_type", "service_name", *_MOVING))
    if task.get("updated_at"):
        record["at"] = task["updated_at"]
    return cast(TaskRecord, record)


def log_event(event: Mapping[str, Any], position: int | None = None) -> LogEvent:
    """The entry of the execution log that an event of Corder (its JSON) makes."""
    entry = _known(event, _LOGGED)
    if position is not None:
        entry["position"] = position
    return cast(LogEvent, entry)


def _known(source: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: source[name] for name in names if source.get(name) is not None}

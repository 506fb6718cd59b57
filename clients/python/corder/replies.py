"""What the monitor answers, as dataclasses; `raw` is the reply as it came, with what later releases add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .model import Attempt, Dependency, fitting, time_from_json


@dataclass(frozen=True)
class Check:
    """One of the checks behind queue_health."""

    name: str
    status: str
    message: str


@dataclass(frozen=True)
class Health:
    """ok, degraded or critical: the worst of its checks."""

    status: str
    checks: list[Check]


@dataclass(frozen=True)
class Queue:
    """The ready queue of one task type."""

    task_type: str
    pending_count: int
    running_count: int
    paused: bool = False


@dataclass(frozen=True)
class Status:
    """Counts of now, rates of the last `window_s` seconds."""

    pending_count: int
    running_count: int
    completed_count: int
    failed_count: int
    blocked_count: int
    retry_count: int
    cancelled_count: int
    skipped_count: int
    queue_health: Health
    average_wait_time: float | None
    throughput: float
    window_s: int
    queues: list[Queue] = field(default_factory=list)
    project: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Status:
        health = body["queue_health"]
        members = fitting(Status, body)
        members["queue_health"] = Health(health["status"], [Check(**fitting(Check, one)) for one in health["checks"]])
        members["queues"] = [Queue(**fitting(Queue, one)) for one in body.get("queues", ())]
        return Status(**members, raw=dict(body))


@dataclass(frozen=True)
class TimelineTask:
    """What happened to one task, and when."""

    task_id: str
    task_type: str
    service_name: str
    status: str
    created_at: datetime | None
    ready_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    attempts: list[Attempt]
    dependencies: list[Dependency]
    estimated_duration: float | None = None
    because: str | None = None

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> TimelineTask:
        members = fitting(TimelineTask, body)
        for name in ("created_at", "ready_at", "started_at", "finished_at"):
            members[name] = time_from_json(body.get(name))
        members["attempts"] = [Attempt.of(one) for one in body["attempts"]]
        members["dependencies"] = [Dependency.of(one) for one in body["dependencies"]]
        return TimelineTask(**members)


@dataclass(frozen=True)
class Timeline:
    """The tasks in order of submission. `truncated`: there were more than one answer holds; ask by batch_id."""

    project: str
    tasks: list[TimelineTask]
    batch_id: str | None = None
    truncated: bool = False
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Timeline:
        members = {**fitting(Timeline, body), "tasks": [TimelineTask.from_json(one) for one in body["tasks"]]}
        return Timeline(**members, raw=dict(body))


@dataclass(frozen=True)
class Terms:
    """The score is their sum; higher is sooner."""

    priority: float
    waiting_hours: float
    dependencies: float
    retries: float
    order: float = 0  # of a graph with an order of its own, in the place of dependencies


@dataclass(frozen=True)
class Executable:
    """A task that could be leased now."""

    project: str
    task_id: str
    task_type: str
    score: float
    terms: Terms
    ready_at: datetime | None
    priority: int = 5

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Executable:
        members = fitting(Executable, body)
        members["terms"] = Terms(**fitting(Terms, body["terms"]))
        members["ready_at"] = time_from_json(body["ready_at"])
        return Executable(**members)


@dataclass(frozen=True)
class Reason:
    """One reason why a task is not running: dependency, time, approval, key, pause, backoff, no_workers, queue …"""

    kind: str
    message: str
    dependency: Dependency | None = None
    until: datetime | None = None
    because: str | None = None
    worker: str | None = None
    holders: list[str] = field(default_factory=list)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Reason:
        members = fitting(Reason, body)
        members["until"] = time_from_json(body.get("until"))
        members["dependency"] = Dependency.of(body["dependency"]) if body.get("dependency") else None
        return Reason(**members)


@dataclass(frozen=True)
class Explanation:
    """Why a task is not running, the weightiest reason first; and its place in the queue where it has one."""

    project: str
    task_id: str
    status: str
    runnable: bool
    reasons: list[Reason]
    position: int | None
    score: float | None
    terms: Terms | None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Explanation:
        members = fitting(Explanation, body)
        members["reasons"] = [Reason.from_json(one) for one in body["reasons"]]
        members["terms"] = Terms(**fitting(Terms, body["terms"])) if body["terms"] else None
        return Explanation(**members, raw=dict(body))


@dataclass(frozen=True)
class Service:
    """An instance that answered the NATS services protocol."""

    name: str
    id: str
    version: str
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

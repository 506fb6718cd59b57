"""Corder, a task queue for work that has an order: its client and its worker.

    async with corder.connect(project="shop") as client:
        submission = await client.submit(corder.Task("coding") >> corder.Task("testing"))
        print(await client.wait(submission))

Without asyncio: `corder.sync`.
"""

from __future__ import annotations

from . import sync
from .client import Client, connect
from .errors import (
    BadJson,
    Conflict,
    Cycle,
    DuplicateId,
    Error,
    EventsLost,
    Internal,
    InvalidField,
    LimitExceeded,
    NoAnswer,
    NotFound,
    Refused,
    Release,
    StaleLease,
    TaskEnded,
    TaskFailed,
    TooLarge,
    Unavailable,
    UnknownDependency,
    WaitTimeout,
    WrongStatus,
)
from .events import Events
from .graph import Graph
from .ids import new_id
from .job import Job
from .model import (
    FINAL,
    Attempt,
    Backoff,
    Changed,
    Dependency,
    Dependent,
    Event,
    Outcome,
    Progress,
    Submission,
    Submitted,
    Task,
    TaskError,
    TaskInfo,
)
from .replies import Executable, Explanation, Reason, Service, Status, Timeline, TimelineTask
from .version import __version__
from .worker import Worker

__all__ = [
    "FINAL",
    "Attempt",
    "Backoff",
    "BadJson",
    "Changed",
    "Client",
    "Conflict",
    "Cycle",
    "Dependency",
    "Dependent",
    "DuplicateId",
    "Error",
    "Event",
    "Events",
    "EventsLost",
    "Executable",
    "Explanation",
    "Graph",
    "Internal",
    "InvalidField",
    "Job",
    "LimitExceeded",
    "NoAnswer",
    "NotFound",
    "Outcome",
    "Progress",
    "Reason",
    "Refused",
    "Release",
    "Service",
    "StaleLease",
    "Status",
    "Submission",
    "Submitted",
    "Task",
    "TaskEnded",
    "TaskError",
    "TaskFailed",
    "TaskInfo",
    "Timeline",
    "TimelineTask",
    "TooLarge",
    "Unavailable",
    "UnknownDependency",
    "WaitTimeout",
    "Worker",
    "WrongStatus",
    "__version__",
    "connect",
    "new_id",
    "sync",
]

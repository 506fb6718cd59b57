"""Tasks and events as dataclasses. The names are the contract's; times are aware datetimes, durations seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .ids import new_id

if TYPE_CHECKING:
    from .graph import After, Graph

When = Literal["completed", "failed", "finished"]
OnDependencyFailure = Literal["skip", "block", "run"]

FINAL = frozenset({"completed", "failed", "cancelled", "skipped"})
"""The statuses in which a task has ended."""

T = TypeVar("T")


def time_to_json(at: datetime | str) -> str:
    if isinstance(at, str):
        return at
    if at.tzinfo is None:
        raise ValueError(f"a time needs its zone: {at.isoformat()} may be meant in any; use datetime.now(timezone.utc)")
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_from_json(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


_names: dict[type[Any], frozenset[str]] = {}


def fitting(kind: type[Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a body that are fields of the class; later releases may send more."""
    names = _names.get(kind)
    if names is None:
        names = _names[kind] = frozenset(one.name for one in dataclasses.fields(kind))
    return {name: value for name, value in body.items() if name in names}


@dataclass(frozen=True)
class Dependency:
    """An edge: which task has to end, and how."""

    task_id: str
    when: When = "completed"
    future: bool = False
    """True: it may be submitted later; otherwise an unknown task is refused."""
    status: str | None = None
    """Of the dependency, where it was looked up."""

    @staticmethod
    def of(value: str | Dependency | Task | Mapping[str, Any]) -> Dependency:
        if isinstance(value, Dependency):
            return value
        if isinstance(value, str):
            return Dependency(value)
        if isinstance(value, Task):
            return Dependency(value.task_id)
        return Dependency(**fitting(Dependency, value))

    def to_json(self) -> str | dict[str, Any]:
        if self.when == "completed" and not self.future:
            return self.task_id
        return {"task_id": self.task_id, "when": self.when, **({"future": True} if self.future else {})}


@dataclass(frozen=True)
class Backoff:
    """How long to wait between tries; jitter is added."""

    initial_ms: int = 1000
    factor: float = 2
    max_ms: int = 60000


@dataclass(frozen=True)
class TaskError:
    """Why a task or a try failed: task_error, timeout, worker_lost."""

    code: str
    message: str
    path: str | None = None

    @staticmethod
    def of(value: Mapping[str, Any] | None) -> TaskError | None:
        return None if value is None else TaskError(**fitting(TaskError, value))


@dataclass(eq=False)
class Task:
    """A task as one submits it. `first >> second` puts the second after the first."""

    task_type: str
    _: KW_ONLY
    task_id: str = field(default_factory=new_id)
    """Unique in its project for ever, and the idempotency key: the same task again is no second one."""
    service_name: str = ""
    priority: int = 5
    dependencies: list[Dependency] = field(default_factory=list)
    """Ids, tasks or Dependency objects; they are Dependency objects from then on."""
    max_retries: int = 3
    execution_context: dict[str, Any] = field(default_factory=dict)
    estimated_duration: float | None = None
    timeout: float | None = None
    not_before: datetime | None = None
    retry_backoff: Backoff | None = None
    on_dependency_failure: OnDependencyFailure = "skip"
    hold: bool = False
    concurrency_key: str | None = None
    concurrency_limit: int = 1
    traceparent: str | None = None

    if TYPE_CHECKING:
        # For type checkers: more is taken than is kept.
        def __init__(
            self,
            task_type: str,
            *,
            task_id: str = ...,
            service_name: str = "",
            priority: int = 5,
            dependencies: Iterable[str | Dependency | Task | Mapping[str, Any]] = (),
            max_retries: int = 3,
            execution_context: Mapping[str, Any] = ...,
            estimated_duration: float | None = None,
            timeout: float | None = None,
            not_before: datetime | str | None = None,
            retry_backoff: Backoff | Mapping[str, Any] | None = None,
            on_dependency_failure: OnDependencyFailure = "skip",
            hold: bool = False,
            concurrency_key: str | None = None,
            concurrency_limit: int = 1,
            traceparent: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self.dependencies = [Dependency.of(value) for value in self.dependencies]
        if isinstance(self.not_before, str):
            self.not_before = time_from_json(self.not_before)
        if isinstance(self.retry_backoff, Mapping):
            self.retry_backoff = Backoff(**fitting(Backoff, self.retry_backoff))

    def after(self, *others: str | Dependency | Task) -> Task:
        """Waits for these too; an edge that is there already stays as it is. Returns the task."""
        have = {dependency.task_id for dependency in self.dependencies}
        for other in map(Dependency.of, others):
            if other.task_id not in have:
                self.dependencies.append(other)
        return self

    def when(self, ends: When) -> After:
        """`task.when("failed") >> cleanup`: what follows, follows this end."""
        from .graph import After

        return After(self, ends)

    def __rshift__(self, other: Task | Graph | Iterable[Task]) -> Graph:
        from .graph import Graph

        return Graph.of(self) >> other

    def __rrshift__(self, other: Iterable[Task]) -> Graph:
        from .graph import Graph

        return Graph.of(other) >> self

    def __or__(self, other: Task | Graph | Iterable[Task]) -> Graph:
        from .graph import Graph

        return Graph.of(self) | other

    def to_json(self) -> dict[str, Any]:
        """The message's form; what has its default is left out."""
        body: dict[str, Any] = {"task_id": self.task_id, "task_type": self.task_type}
        for one in dataclasses.fields(Task):
            value = getattr(self, one.name)
            if one.name not in ("task_id", "task_type", "_") and value != one.default and value not in ([], {}):
                body[one.name] = value
        if self.dependencies:
            body["dependencies"] = [dependency.to_json() for dependency in self.dependencies]
        if self.not_before is not None:
            body["not_before"] = time_to_json(self.not_before)
        if self.retry_backoff is not None:
            body["retry_backoff"] = dataclasses.asdict(self.retry_backoff)
        return body

    @classmethod
    def from_json(cls: type[TaskType], body: Mapping[str, Any]) -> TaskType:
        return cls(**fitting(cls, body))


TaskType = TypeVar("TaskType", bound=Task)


@dataclass(frozen=True)
class Attempt:
    """One try. `outcome` is None while it runs."""

    attempt: int
    worker: str
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    error: TaskError | None = None

    @staticmethod
    def of(value: Mapping[str, Any]) -> Attempt:
        times = {name: time_from_json(value.get(name)) for name in ("started_at", "finished_at")}
        return Attempt(**{**fitting(Attempt, value), **times, "error": TaskError.of(value.get("error"))})


@dataclass(frozen=True)
class Dependent:
    """An edge from the other side: who waits for this task."""

    task_id: str
    when: When
    status: str | None = None


_TIMES = ("created_at", "updated_at", "ready_at", "started_at", "finished_at", "lease_until")


@dataclass(eq=False)
class TaskInfo(Task):
    """A task with all that became of it. From `list` it comes without context, dependencies, result and attempts."""

    project: str = ""
    batch_id: str = ""
    status: str = ""
    waits_for: list[str] = field(default_factory=list)
    """Of a blocked task: dependency, time, approval, key."""
    retry_count: int = 0
    attempt: int = 0
    version: int = 0
    """Counts its events."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None
    actual_duration: float | None = None
    worker: str | None = None
    error: TaskError | None = None
    because: str | None = None
    """Skipped: the dependency whose end made it impossible."""
    cancel_requested: bool = False
    result: Any = None
    dependents: list[Dependent] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    """The body as it came."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @classmethod
    def from_json(cls: type[InfoType], body: Mapping[str, Any]) -> InfoType:
        members = fitting(cls, body)
        members.update({name: time_from_json(body.get(name)) for name in _TIMES})
        members["error"] = TaskError.of(body.get("error"))
        members["dependents"] = [Dependent(**fitting(Dependent, one)) for one in body.get("dependents", ())]
        members["attempts"] = [Attempt.of(one) for one in body.get("attempts", ())]
        return cls(**members, raw=dict(body))


InfoType = TypeVar("InfoType", bound=TaskInfo)


@dataclass(frozen=True)
class Event:
    """One change of one task. `raw` is its JSON form, `position` its place in the stream, from which to go on."""

    event_id: str
    seq: int
    project: str
    task_id: str
    batch_id: str
    task_type: str
    status: str
    previous: str | None
    version: int
    attempt: int
    at: datetime
    worker: str | None = None
    reason: str | None = None
    error: TaskError | None = None
    because: str | None = None
    waits_for: tuple[str, ...] = ()
    result: Any = None
    task: Task | None = field(default=None, compare=False)
    """The whole task, on its first event."""
    position: int | None = None
    """None where no stream keeps the events."""
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def to_json(self) -> dict[str, Any]:
        """The body as it came, with the position: what `from_json` reads."""
        return self.raw if self.position is None else {**self.raw, "position": self.position}

    @staticmethod
    def from_json(body: Mapping[str, Any], position: int | None = None) -> Event:
        members = fitting(Event, body)
        members["at"] = time_from_json(body["at"])
        members["error"] = TaskError.of(body.get("error"))
        members["waits_for"] = tuple(body.get("waits_for") or ())
        members["task"] = Task.from_json(body["task"]) if body.get("task") else None
        members["position"] = body.get("position") if position is None else position
        members["raw"] = {name: value for name, value in body.items() if name != "position"}
        return Event(**members)


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    project: str
    task_id: str
    status: str
    version: int
    attempt: int = 0
    result: Any = None
    error: TaskError | None = None
    because: str | None = None

    @property
    def ok(self) -> bool:
        return self.status == "completed"

    @staticmethod
    def of(what: Event | TaskInfo) -> Outcome:
        members = (what.project, what.task_id, what.status, what.version, what.attempt)
        return Outcome(*members, result=what.result, error=what.error, because=what.because)


@dataclass(frozen=True)
class Submitted:
    """The verdict on one task: accepted, or duplicate when the same one was there already."""

    task_id: str
    result: str
    status: str


@dataclass(frozen=True)
class Submission:
    """What was admitted. It can be given to `wait`."""

    project: str
    batch_id: str
    task_ids: list[str]
    tasks: list[Submitted] = field(default_factory=list)
    """Empty where the batch is too large for a list, and after `enqueue`, whose verdict is an event."""
    dry_run: bool = False
    enqueued: bool = False
    position: int | None = None
    """Where the stream of events stood before: all that became of these tasks lies behind it."""


@dataclass(frozen=True)
class Changed:
    """What became of one task of a command: its new status, or why not."""

    task_id: str
    ok: bool
    status: str | None = None
    error: TaskError | None = None

    @staticmethod
    def of(value: Mapping[str, Any]) -> Changed:
        return Changed(**{**fitting(Changed, value), "error": TaskError.of(value.get("error"))})


@dataclass(frozen=True)
class Progress:
    """What a worker told while it was at it; live, kept nowhere."""

    project: str
    task_id: str
    task_type: str
    worker: str
    at: datetime
    progress: dict[str, Any]
    attempt: int = 0

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Progress:
        return Progress(**{**fitting(Progress, body), "at": time_from_json(body["at"])})

"""What can go wrong, as exceptions: refusals by their code, silence, and tasks that did not end well."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Outcome


class Error(Exception):
    """The parent of everything that this package raises by itself."""


class NoAnswer(Error):
    """Nothing answered for as long as `patience` allows. It tells nothing about the outcome: repeat, same ids."""


class Unavailable(NoAnswer):
    """Corder said `unavailable` for as long as `patience` allows. It says nothing about the outcome either."""


class Refused(Error):
    """A definite no: nothing was changed, and the same request again gets the same answer."""

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, path: str | None = None, tasks: Sequence[str] = ()):
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.path = path
        """A JSON pointer to the member that is wrong or missing, where there is one."""
        self.tasks = list(tasks)
        """The tasks it is about: the unknown ones, those in conflict, or the loop (first = last)."""

    def __str__(self) -> str:
        where = f" at {self.path}" if self.path else ""
        return f"{self.message} ({self.code}{where})"

    @staticmethod
    def from_json(error: Mapping[str, Any]) -> Refused:
        """The exception for a reply's `error`, of the class that its code has."""
        code = str(error.get("code", "internal"))
        kind = _BY_CODE.get(code, Refused)
        return kind(str(error.get("message", "")), code=code, path=error.get("path"), tasks=error.get("tasks") or ())


class TooLarge(Refused):
    """More bytes than allowed, in the message or in one field."""

    code = "too_large"


class BadJson(Refused):
    """No JSON object as Corder reads it."""

    code = "bad_json"


class LimitExceeded(Refused):
    """Too many things, or nested too deep."""

    code = "limit_exceeded"


class InvalidField(Refused):
    """A field is wrong or missing; `path` names it."""

    code = "invalid_field"


class DuplicateId(Refused):
    """One id twice in a batch."""

    code = "duplicate_id"


class Cycle(Refused):
    """The tasks wait for each other; `tasks` is the loop."""

    code = "cycle"


class UnknownDependency(Refused):
    """A task depends on one that does not exist; `tasks` names those."""

    code = "unknown_dependency"


class Conflict(Refused):
    """A task with this id exists, and is another one; `tasks` names those."""

    code = "conflict"


class NotFound(Refused):
    """No such task, no such batch."""

    code = "not_found"


class WrongStatus(Refused):
    """The task's status does not allow it."""

    code = "wrong_status"


class StaleLease(Refused):
    """The lease is no longer the current one: what its holder says has no effect."""

    code = "stale_lease"


class Internal(Refused):
    """A fault of Corder itself; its log has more."""

    code = "internal"


_KINDS: tuple[type[Refused], ...] = (
    TooLarge,
    BadJson,
    LimitExceeded,
    InvalidField,
    DuplicateId,
    Cycle,
    UnknownDependency,
    Conflict,
    NotFound,
    WrongStatus,
    StaleLease,
    Internal,
)
_BY_CODE = {kind.code: kind for kind in _KINDS}


class WaitTimeout(Error, TimeoutError):
    """A wait took longer than it was given; what has ended by then is in `finished`."""

    def __init__(self, finished: Mapping[str, Outcome], unfinished: Collection[str]):
        names = ", ".join(sorted(unfinished)[:5]) + (" …" if len(unfinished) > 5 else "")
        super().__init__(f"{len(unfinished)} tasks have not ended in time: {names}")
        self.finished = dict(finished)
        self.unfinished = set(unfinished)


class TaskEnded(Error):
    """The task whose result was asked for failed, or was cancelled or skipped; `outcome` says how."""

    def __init__(self, outcome: Outcome):
        why = outcome.error.message if outcome.error else f"because of {outcome.because}" if outcome.because else ""
        super().__init__(f"{outcome.task_id} is {outcome.status}" + (f": {why}" if why else ""))
        self.outcome = outcome


class EventsLost(Error):
    """Events that were asked for no longer exist, or never came: the stream is shorter than the wish."""


class TaskFailed(Exception):
    """Raised by a worker's handler: this try failed. `retryable=False` means that another one would fail as well."""

    def __init__(self, message: str, *, retryable: bool = True):
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Release(Exception):
    """Raised by a worker's handler: give the task back untouched. It costs no try; another worker gets it."""

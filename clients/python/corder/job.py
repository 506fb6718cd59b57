"""What a worker's handler is given: the task, its inputs, and ways to speak while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .content import sized
from .errors import Release
from .model import TaskError, TaskInfo

PROGRESS_BYTES = 16_384


@dataclass(eq=False)
class Delivered(TaskInfo):
    """A task as it is delivered: with its lease, and the results of its dependencies."""

    lease: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    inputs_omitted: list[str] = field(default_factory=list)


class Job:
    """One try of one task. Handlers get it as their only argument."""

    def __init__(self, task: Delivered, tell: Callable[[], None]):
        self.task = task
        self._tell = tell
        self._progress: dict[str, Any] | None = None
        self._stop = threading.Event()
        self._reason = ""

    @property
    def task_id(self) -> str:
        return self.task.task_id

    @property
    def project(self) -> str:
        return self.task.project

    @property
    def task_type(self) -> str:
        return self.task.task_type

    @property
    def attempt(self) -> int:
        """1 for the first try."""
        return self.task.attempt

    @property
    def error(self) -> TaskError | None:
        """How the last try failed; None where none has."""
        return self.task.error

    @property
    def context(self) -> dict[str, Any]:
        """The task's execution_context."""
        return self.task.execution_context

    @property
    def inputs(self) -> dict[str, Any]:
        """The result of each dependency that completed, by its task_id."""
        return self.task.inputs

    @property
    def inputs_omitted(self) -> list[str]:
        """Dependencies whose results were too large to come along; `client.get` has them."""
        return self.task.inputs_omitted

    @property
    def lease(self) -> str:
        """Opaque, and another one for each try: it can guard effects outside."""
        return self.task.lease

    @property
    def traceparent(self) -> str | None:
        return self.task.traceparent

    @property
    def cancelled(self) -> bool:
        """The task was cancelled, its lease is gone, or the worker has to stop. For functions in threads."""
        return self._stop.is_set()

    def check(self) -> None:
        """For functions that run in a thread: leaves the handler when it was cancelled."""
        if self.cancelled:
            raise Release(self._reason)

    def wait(self, seconds: float) -> bool:
        """For functions that run in a thread: sleeps, and returns True as soon as the job is cancelled."""
        return self._stop.wait(seconds)

    def progress(self, progress: Mapping[str, Any] | None = None, /, **members: Any) -> None:
        """Tells those who watch how far it is: any JSON object up to 16 KiB, for instance percent and message.

        It travels with a renewal of the lease, which it hastens; of several in a moment the last one counts.
        """
        told = {**(progress or {}), **members}
        size = sized(told)
        if size > PROGRESS_BYTES:
            raise ValueError(f"a progress may have {PROGRESS_BYTES} bytes, this one has {size}")
        self._progress = told
        self._tell()

    def _take_progress(self) -> dict[str, Any] | None:
        told, self._progress = self._progress, None
        return told

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._stop.set()

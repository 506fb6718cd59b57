"""What a node waits for, as the value of its interrupt: plain data, which any program can read and act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langgraph.types import Interrupt, StateSnapshot

if TYPE_CHECKING:
    from .manager import TaskQueueManager

Count = Literal["all", "any"] | int

WAIT = "corder.wait"


@dataclass(frozen=True)
class Wait:
    """Tasks, and how many of them have to end."""

    project: str
    prefix: str
    batch_id: str | None
    task_ids: list[str]
    count: Count

    @staticmethod
    def of(manager: TaskQueueManager, task_ids: list[str], count: Count, batch_id: str | None = None) -> Wait:
        return Wait(manager.project, manager.client.wire.prefix, batch_id, task_ids, count)

    def to_json(self, position: int | None = None) -> dict[str, Any]:
        """The interrupt's value. `position`: up to where the stream of events was looked at, where that is known."""
        return {
            "type": WAIT,
            "project": self.project,
            "prefix": self.prefix,
            "batch_id": self.batch_id,
            "task_ids": self.task_ids,
            "count": self.count,
            "position": position,
        }

    @staticmethod
    def from_json(value: Any) -> Wait | None:
        """None when an interrupt is somebody else's: a question for a human, say."""
        if not isinstance(value, Mapping) or value.get("type") != WAIT:
            return None
        return Wait(value["project"], value["prefix"], value.get("batch_id"), list(value["task_ids"]), value["count"])


def enough(count: Count, finished: int, total: int) -> bool:
    """Whether so many ended tasks end the wait. More than there are cannot be waited for: then all are enough."""
    wanted = total if count == "all" else 1 if count == "any" else count
    return finished >= min(wanted, total)


def open_interrupts(state: StateSnapshot) -> list[Interrupt]:
    """Those that nobody has answered. Older LangGraphs (1.x) also list those of a task that has ended since, as long as
    another of its step waits; a driver that took them for open would resume them for ever.
    """
    return [one for task in state.tasks if not task.result for one in task.interrupts]


def has_ended(state: StateSnapshot) -> bool:
    """Older LangGraphs leave out of `next` what was resumed and has interrupted again."""
    return not state.next and not open_interrupts(state)

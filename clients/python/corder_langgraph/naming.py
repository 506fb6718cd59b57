"""Turns what a node submits into what Corder gets: names become full ids, also where dependencies mean them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import corder

from .records import TaskRecord, record_of_task

TaskLike = corder.Task | Mapping[str, Any]

# What corder.Task makes for itself: no name that somebody chose, and another one at each execution of a node.
_GENERATED = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


@dataclass(frozen=True)
class ScopedBatch:
    """A batch whose ids are final. `names`: full ids by name."""

    bodies: list[dict[str, Any]]
    names: dict[str, str]

    def records(self, batch_id: str) -> list[TaskRecord]:
        """The first records: version 0, behind every event. A repetition makes the same."""
        records = []
        for body in self.bodies:
            waits = any(body.get(name) for name in ("dependencies", "hold", "not_before"))
            status = "blocked" if waits else "pending"
            record = record_of_task({**body, "batch_id": batch_id, "status": status, "version": 0})
            if "priority" in body:
                record["priority"] = body["priority"]
            if body.get("dependencies"):
                record["dependencies"] = body["dependencies"]
            records.append(record)
        return records


def scoped(tasks: TaskLike | Iterable[TaskLike] | corder.Graph, base: str) -> ScopedBatch:
    """Gives every task its full id: name or number, colon, base. Without a base, ids stay as they are."""
    listed: Iterable[TaskLike] = [tasks] if isinstance(tasks, (corder.Task, Mapping)) else tasks
    bodies = [dict(one.to_json() if isinstance(one, corder.Task) else one) for one in listed]
    if not bodies:
        raise ValueError("there is no task to submit")
    if not base:
        bodies = [{"task_id": corder.Task("new").task_id, **body} for body in bodies]
        return ScopedBatch(bodies, {body["task_id"]: body["task_id"] for body in bodies})
    own: dict[str, str] = {}
    names: dict[str, str] = {}
    for number, body in enumerate(bodies):
        given = str(body.get("task_id") or "")
        name = str(number) if not given or _GENERATED.fullmatch(given) else given
        if name in names:
            raise ValueError(f"two tasks of this submission are called {name!r}")
        own[given] = names[name] = f"{name}:{base}"
        body["task_id"] = names[name]
    own.pop("", None)
    for body in bodies:
        if body.get("dependencies"):
            body["dependencies"] = [_scoped_edge(edge, own) for edge in body["dependencies"]]
    return ScopedBatch(bodies, names)


def _scoped_edge(edge: Any, own: Mapping[str, str]) -> Any:
    if isinstance(edge, (corder.Task, corder.Dependency)):
        edge = corder.Dependency.of(edge).to_json()
    if isinstance(edge, str):
        return own.get(edge, edge)
    return {**edge, "task_id": own.get(edge["task_id"], edge["task_id"])}

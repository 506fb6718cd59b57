"""From tasks to messages: one when they fit, else parts and a seal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from .graph import Graph
from .ids import new_id
from .model import Submission, Submitted, Task
from .wire import Wire, encode

MESSAGE_BYTES = 1_000_000
MESSAGE_TASKS = 10_000
ENVELOPE_BYTES = 512
SEAL_SECONDS = 300.0
"""A seal of a million tasks takes its time."""

What = Task | Graph | Iterable[Task | Mapping[str, Any]] | Mapping[str, Any]

Send = Callable[[bytes, bool], Awaitable[dict[str, Any]]]


def as_task(one: Task | Mapping[str, Any]) -> Task | dict[str, Any]:
    """A mapping goes as it is, so that it may hold what this release does not know; it only needs an id."""
    if isinstance(one, Task):
        return one
    if not isinstance(one, Mapping):
        raise TypeError(f"a task or a mapping is wanted, not {type(one).__name__}")
    return {"task_id": new_id(), **one}


class Order:
    """What one call submits: tasks, ids and the envelope around them, the same for each repetition."""

    def __init__(self, what: What, project: str, batch_id: str | None):
        single = isinstance(what, (Task, Mapping))
        listed: Iterable[Any] = [what] if isinstance(what, (Task, Mapping)) else what
        self.project = project
        self.bodies: list[dict[str, Any]] = []
        self.task_ids: list[str] = []
        for one in map(as_task, listed):
            body = one.to_json() if isinstance(one, Task) else one
            self.bodies.append(body)
            self.task_ids.append(body["task_id"])
        if not self.bodies:
            raise ValueError("there is no task to submit")
        self.single = single and batch_id is None
        self.batch_id = batch_id or (what.batch_id if isinstance(what, Graph) else None if self.single else new_id())

    def envelope(self, **more: Any) -> dict[str, Any]:
        return {"project": self.project, "batch_id": self.batch_id, **more}

    def messages(self, max_bytes: int, extra: Mapping[str, Any]) -> list[tuple[bytes, bool]]:
        """Bodies in the order to send them, and whether it is the one that brings the verdict."""
        if self.single:
            return [(encode({"project": self.project, **self.bodies[0], **extra}), True)]
        chunks = _chunks([encode(body) for body in self.bodies], max_bytes - ENVELOPE_BYTES)
        if len(chunks) == 1:
            return [(_with_tasks(self.envelope(**extra), chunks[0]), True)]
        parts = [(_with_tasks(self.envelope(part=n), chunk), False) for n, chunk in enumerate(chunks, 1)]
        return [*parts, (encode(self.envelope(seal=len(chunks), **extra)), True)]


def _with_tasks(envelope: dict[str, Any], tasks: list[bytes]) -> bytes:
    return encode(envelope)[:-1] + b',"tasks":[' + b",".join(tasks) + b"]}"


def _chunks(encoded: list[bytes], max_bytes: int) -> list[list[bytes]]:
    chunks: list[list[bytes]] = [[]]
    size = 0
    for task in encoded:
        if chunks[-1] and (size + len(task) + 1 > max_bytes or len(chunks[-1]) == MESSAGE_TASKS):
            chunks.append([])
            size = 0
        chunks[-1].append(task)
        size += len(task) + 1
    return chunks


def max_bytes(wire: Wire) -> int:
    return min(MESSAGE_BYTES, wire.nats.max_payload or MESSAGE_BYTES)


async def submit(wire: Wire, order: Order, *, dry_run: bool, ack: str, by: str | None) -> Submission:
    extra: dict[str, Any] = {"dry_run": True} if dry_run else {}
    if ack != "logged":
        extra["ack"] = ack
    if by is not None:
        extra["order"] = by
    messages = order.messages(max_bytes(wire), extra)
    position = None if dry_run else await wire.position()
    reply: dict[str, Any] = {}
    for payload, brings_verdict in messages:
        long = brings_verdict and len(messages) > 1
        patience = max(wire.patience, SEAL_SECONDS) if long else None
        reply = await wire.request("submit", payload, patience=patience, try_seconds=60.0 if long else 5.0)
    verdicts = [Submitted(one["task_id"], one["result"], one["status"]) for one in reply.get("tasks", ())]
    batch_id = reply.get("batch_id", "")
    return Submission(order.project, batch_id, order.task_ids, verdicts, dry_run, position=position)


async def enqueue(wire: Wire, order: Order) -> Submission:
    position = await wire.position()
    for payload, _ in order.messages(max_bytes(wire), {}):
        await wire.append(f"enqueue.{order.project}", payload, new_id())
    return Submission(order.project, order.batch_id or "", order.task_ids, enqueued=True, position=position)

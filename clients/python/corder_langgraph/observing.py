"""Looks at tasks: what they are now, and how they came there. Reads only, so it may run any number of times."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import corder

from .records import FINAL, LogEvent, TaskRecord, log_event, record_of_event, record_of_task
from .reducers import resume_position

LOOKUPS_AT_ONCE = 32
CATCH_UP_SECONDS = 5.0
CLOCKS_DIFFER_SECONDS = 60.0
"""Between the clock that dates a task's creation and the one that dates messages in the stream."""


@dataclass(frozen=True)
class Observation:
    """Records of the tasks that exist, and events in the order of the stream, as far as it still has them."""

    records: list[TaskRecord]
    events: list[LogEvent] = field(default_factory=list)

    @property
    def finished(self) -> list[str]:
        """The tasks that have ended, each once: the first record of a task is how it is now."""
        now: dict[str, str] = {}
        for record in self.records:
            now.setdefault(record["task_id"], record["status"])
        return [task_id for task_id, status in now.items() if status in FINAL]

    @property
    def position(self) -> int | None:
        return resume_position(self.events)


async def look_up(client: corder.Client, project: str, task_ids: Iterable[str]) -> list[corder.TaskInfo]:
    """The tasks, in the order of their ids. Raises NotFound."""
    limit = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def one(task_id: str) -> corder.TaskInfo:
        async with limit:
            return await client.get(task_id, project=project)

    return list(await asyncio.gather(*map(one, task_ids)))


async def observe(
    client: corder.Client, project: str, task_ids: list[str], log: Iterable[LogEvent] = ()
) -> Observation:
    """What is true of these tasks now, and those of their events that the log does not have."""
    infos = await look_up(client, project, task_ids)
    records = [record_of_task(info.raw) for info in infos]
    logged = list(log)
    known: dict[str, int] = {}
    for entry in logged:
        known[entry["task_id"]] = max(known.get(entry["task_id"], 0), entry.get("version", 0))
    behind = {info.task_id: info.version for info in infos if info.version > known.get(info.task_id, 0)}
    created = [info.created_at for info in infos if info.created_at and info.task_id not in known]
    start: int | datetime | None = resume_position(logged)
    if created or start is None:
        start = min(created, default=datetime.now(timezone.utc)) - timedelta(seconds=CLOCKS_DIFFER_SECONDS)
    events: list[LogEvent] = []
    # The stream may be shorter than the wish, or switched off. The tasks themselves were asked already.
    with contextlib.suppress(asyncio.TimeoutError, corder.Error):
        await asyncio.wait_for(_catch_up(client, project, behind, start, records, events), CATCH_UP_SECONDS)
    return Observation(records, events)


async def _catch_up(
    client: corder.Client,
    project: str,
    behind: dict[str, int],
    start: int | datetime,
    records: list[TaskRecord],
    events: list[LogEvent],
) -> None:
    """Reads until every task is where it was seen to be."""
    if not behind:
        return
    async with client.events(project=project, task_ids=list(behind), since=start) as stream:
        while behind:
            event = await anext(stream)
            events.append(log_event(event.raw, event.position))
            records.append(record_of_event(event.raw))
            if event.version >= behind.get(event.task_id, event.version + 1):
                del behind[event.task_id]

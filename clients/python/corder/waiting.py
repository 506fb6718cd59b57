"""Waiting for tasks to end: subscribed first, then looked up, so that no end can slip in between."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from .errors import EventsLost, NoAnswer, NotFound, Refused, WaitTimeout
from .events import Events, Filter
from .model import FINAL, Event, Outcome, Submission

if TYPE_CHECKING:
    from .client import Client

Count = Literal["all", "any"] | int
OnEvent = Callable[[Event], Awaitable[None] | None]

LOOKUPS_AT_ONCE = 32
LOOK_SOON_SECONDS = 3.0
LOOK_AGAIN_SECONDS = 20.0
LOOK_AGAIN_TASKS = 200
"""Events are enough; a second look now and then guards against what no event tells, a stream that was replaced."""


class Wait:
    """One wait: which tasks, which of them have ended, how many are enough."""

    def __init__(self, client: Client, project: str, ids: Iterable[str], submission: Submission | None):
        self.client = client
        self.project = project
        self.unfinished = dict.fromkeys(ids)
        self.total = len(self.unfinished)
        self.submission = submission
        self.finished: dict[str, Outcome] = {}

    @property
    def batch_id(self) -> str | None:
        return self.submission.batch_id or None if self.submission else None

    @property
    def may_come(self) -> bool:
        """Enqueued tasks may not be there yet."""
        return self.submission is not None and self.submission.enqueued

    @property
    def since(self) -> int | None:
        """A few tasks are looked up; of many, and of what may be refused, all events are read from the submit on."""
        many = self.total > LOOKUPS_AT_ONCE or self.may_come
        return self.submission.position if self.submission is not None and many else None

    def enough(self, count: Count) -> bool:
        wanted = self.total if count == "all" else 1 if count == "any" else min(count, self.total)
        return len(self.finished) >= wanted

    def finish(self, outcome: Outcome) -> None:
        before = self.finished.get(outcome.task_id)
        if before is None or outcome.version > before.version:
            self.unfinished.pop(outcome.task_id, None)
            self.finished[outcome.task_id] = outcome

    def reopen(self, event: Event) -> None:
        """It had ended, and was started over."""
        before = self.finished.get(event.task_id)
        if before is not None and event.version > before.version:
            del self.finished[event.task_id]
            self.unfinished[event.task_id] = None

    async def look_up(self, ids: Iterable[str]) -> None:
        """What has ended already. Their results are asked for singly, some at a time."""
        limit = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def look(task_id: str) -> None:
            async with limit:
                try:
                    info = await self.client.get(task_id, project=self.project)
                except NotFound:
                    if not self.may_come:
                        raise
                    return
                if info.is_final:
                    self.finish(Outcome.of(info))

        await asyncio.gather(*map(look, ids))

    async def begin(self, replayed: bool) -> None:
        """What had ended before: all may have, or those that were there before the submit."""
        known = {one.task_id for one in self.submission.tasks if one.result == "accepted"} if self.submission else set()
        told = self.submission is not None and self.submission.tasks
        if not replayed or told or self.total <= LOOKUPS_AT_ONCE:
            await self.look_up([task_id for task_id in self.unfinished if not replayed or task_id not in known])
        else:
            await self.look_through()

    async def look_through(self) -> None:
        """The list of the batch is short of the last moment, but one request tells of a thousand tasks."""
        ended = []
        async for info in self.client.list(project=self.project, batch_id=self.batch_id):
            if info.status in FINAL and info.task_id in self.unfinished:
                ended.append(info.task_id)
        await self.look_up(ended)

    def take(self, event: Event) -> None:
        if event.status == "rejected" and event.error is not None:
            raise Refused.from_json({**event.raw["error"], "message": event.error.message})
        if event.is_final:
            self.finish(Outcome.of(event))
        else:
            self.reopen(event)

    def is_about(self, event: Event) -> bool:
        if event.status == "rejected" and self.batch_id:
            return event.batch_id == self.batch_id
        return event.task_id in self.unfinished or event.task_id in self.finished

    async def run(self, count: Count, on_event: OnEvent | None) -> None:
        loop = asyncio.get_running_loop()
        events, replayed = await self.listen()
        async with events:
            while replayed and not events.caught_up:
                await self.hear(events, on_event)
            await self.begin(replayed)
            look_at = loop.time() + LOOK_SOON_SECONDS
            while not self.enough(count):
                await self.hear(events, on_event)
                if loop.time() >= look_at:
                    await self.look_again()
                    look_at = loop.time() + LOOK_AGAIN_SECONDS

    async def hear(self, events: Events, on_event: OnEvent | None) -> None:
        try:
            event = await events.step()
        except EventsLost:
            # The tasks themselves know.
            await self.look_up(list(self.unfinished))
            return
        if events.closed:
            raise NoAnswer("the connection was closed during a wait")
        if event is None or not self.is_about(event):
            return
        if on_event is not None:
            done = on_event(event)
            if inspect.isawaitable(done):
                await done
        self.take(event)

    async def listen(self) -> tuple[Events, bool]:
        """The events, and whether they are all since the submit."""
        events = Events(self.client.wire, Filter(self.project, None, None, None, None), self.since)
        try:
            await events.open()
            return events, self.since is not None
        except EventsLost:
            await events.open()
            return events, False

    async def look_again(self) -> None:
        """Some of them, others the next time; or a whole batch."""
        if self.batch_id and len(self.unfinished) > LOOK_AGAIN_TASKS:
            await self.look_through()
            return
        some = list(self.unfinished)[:LOOK_AGAIN_TASKS]
        await self.look_up(some)
        for task_id in some:
            if task_id in self.unfinished:
                self.unfinished[task_id] = self.unfinished.pop(task_id)


async def wait(
    client: Client,
    project: str,
    what: Submission | Sequence[str],
    *,
    count: Count,
    timeout: float | None,
    on_event: OnEvent | None,
) -> Mapping[str, Outcome]:
    if isinstance(what, Submission):
        task = Wait(client, what.project or project, what.task_ids, what)
    else:
        task = Wait(client, project, what, None)
    try:
        await asyncio.wait_for(task.run(count, on_event), timeout)
    except asyncio.TimeoutError as error:
        raise WaitTimeout(task.finished, task.unfinished) from error
    return task.finished

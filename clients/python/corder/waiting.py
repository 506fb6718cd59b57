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
        if outcome.task_id in self.unfinished:
            del self.unfinished[outcome.task_id]
            self.finished[outcome.task_id] = outcome

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
        """What has ended already. A replay tells it but for tasks that were there before the submit."""
        known = {one.task_id for one in self.submission.tasks if one.result == "accepted"} if self.submission else set()
        unknown = [task_id for task_id in self.unfinished if not replayed or task_id not in known]
        if len(unknown) < self.total or self.total <= LOOKUPS_AT_ONCE or not replayed:
            await self.look_up(unknown)
            return
        ended = []
        async for info in self.client.list(project=self.project, batch_id=self.batch_id):
            if info.status in FINAL and info.task_id in self.unfinished:
                ended.append(info.task_id)
        await self.look_up(ended)

    def take(self, event: Event) -> None:
        if event.status == "rejected" and event.error is not None:
            if event.batch_id == self.batch_id if self.batch_id else event.task_id in self.unfinished:
                raise Refused.from_json({**event.raw["error"], "message": event.error.message})
        elif event.is_final:
            self.finish(Outcome.of(event))

    def is_about(self, event: Event) -> bool:
        return event.task_id in self.unfinished or (event.status == "rejected" and event.batch_id == self.batch_id)

    async def run(self, count: Count, on_event: OnEvent | None) -> None:
        loop = asyncio.get_running_loop()
        events, replayed = await self.listen()
        async with events:
            await self.begin(replayed)
            look_at = loop.time() + LOOK_AGAIN_SECONDS
            coming: asyncio.Future[Event] | None = None
            try:
                while not self.enough(count):
                    coming = coming or asyncio.ensure_future(events.__anext__())
                    await asyncio.wait({coming}, timeout=max(0.0, look_at - loop.time()))
                    if loop.time() >= look_at:
                        await self.look_again()
                        look_at = loop.time() + LOOK_AGAIN_SECONDS
                    if coming.done():
                        came, coming = coming, None
                        await self.hear(came, on_event)
            finally:
                if coming is not None:
                    coming.cancel()
                    await asyncio.wait({coming})

    async def listen(self) -> tuple[Events, bool]:
        """The events, and whether they are all since the submit."""
        everything = Filter(self.project, None, None, None, None)
        events = Events(self.client.wire, everything, self.since)
        try:
            await events.open()
            return events, self.since is not None
        except EventsLost:
            events = Events(self.client.wire, everything, None)
            await events.open()
            return events, False

    async def look_again(self) -> None:
        """Some of them, others the next time."""
        some = list(self.unfinished)[:LOOK_AGAIN_TASKS]
        await self.look_up(some)
        for task_id in some:
            if task_id in self.unfinished:
                self.unfinished[task_id] = self.unfinished.pop(task_id)

    async def hear(self, came: asyncio.Future[Event], on_event: OnEvent | None) -> None:
        try:
            event = await came
        except EventsLost:
            # The tasks themselves know.
            await self.look_up(list(self.unfinished))
            return
        except StopAsyncIteration as error:
            raise NoAnswer("the connection was closed during a wait") from error
        if not self.is_about(event):
            return
        if on_event is not None:
            done = on_event(event)
            if inspect.isawaitable(done):
                await done
        self.take(event)


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

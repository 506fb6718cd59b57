"""Events, live or replayed: in order a task, each once, without gaps, across reconnects and restarts of the server."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from types import TracebackType

from .errors import EventsLost
from .model import Event
from .source import Since, Source
from .wire import Wire

TASKS_REMEMBERED = 200_000
"""Tasks whose last version is known; an event seen twice is told apart as long as its task is among them."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}|\*")


class Versions:
    """What was the last version of each task: doubles are dropped, gaps are found."""

    def __init__(self, limit: int = TASKS_REMEMBERED):
        self._last: OrderedDict[str, int] = OrderedDict()
        self._limit = limit

    def take(self, event: Event) -> int | None:
        """None: seen already. Else how many events of this task are missing before it."""
        rejected = event.version == 0
        key = event.event_id if rejected else f"{event.project}/{event.task_id}"
        last = self._last.get(key)
        if last is not None and (rejected or event.version <= last):
            return None
        self._last[key] = event.version
        self._last.move_to_end(key)
        if len(self._last) > self._limit:
            self._last.popitem(last=False)
        return 0 if last is None else event.version - last - 1


class Filter:
    """Which events are wanted; what the subject cannot say is looked at here."""

    def __init__(
        self,
        project: str,
        task_type: str | None,
        status: str | Collection[str] | None,
        task_ids: Collection[str] | None,
        batch_id: str | None,
    ):
        self.statuses = {status} if isinstance(status, str) else set(status) if status else None
        self.task_ids = set(task_ids) if task_ids is not None else None
        self.batch_id = batch_id
        one = next(iter(self.statuses)) if self.statuses and len(self.statuses) == 1 else "*"
        for token in (project, task_type or "*", one):
            if not TOKEN.fullmatch(token):
                raise ValueError(f"a project, type or status has 1 to 64 letters, digits, _ or -, not {token!r}")
        self.subject = f"event.{project}.{task_type or '*'}.{one}"
        self.sees_all_statuses = one == "*"

    def wants(self, event: Event) -> bool:
        return (
            (self.statuses is None or event.status in self.statuses)
            and (self.task_ids is None or event.task_id in self.task_ids)
            and (self.batch_id is None or event.batch_id == self.batch_id)
        )


class Events(AsyncIterator[Event]):
    """An iterator of events. `async with` it to be subscribed before what you do next; `position` is where to go on."""

    def __init__(self, wire: Wire, wanted: Filter, since: Since):
        self._filter = wanted
        self._source = Source(wire, wanted.subject, since)
        self._versions = Versions()
        self._held: Event | None = None

    @property
    def position(self) -> int | None:
        """The stream sequence up to which all was looked at: `since=position` goes on behind it."""
        return self._source.position

    @property
    def closed(self) -> bool:
        """By `close`, or with the client's connection."""
        return self._source.closed

    @property
    def caught_up(self) -> bool:
        """Nothing that the stream held at the last look is still to come."""
        return self._source.pending == 0 and self._held is None

    async def __aenter__(self) -> Events:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Events:
        return self

    async def open(self) -> None:
        """Subscribes. What happens from here on will be seen."""
        await self._source.open()

    async def close(self) -> None:
        await self._source.close()

    async def __anext__(self) -> Event:
        await self.open()
        while not self._source.closed:
            event = await self.step()
            if event is not None:
                return event
        raise StopAsyncIteration

    async def step(self) -> Event | None:
        """One look: an event, or None when there was none, or none that is wanted."""
        if self._held is not None:
            held, self._held = self._held, None
            return held
        message = await self._source.turn()
        if message is None:
            return None
        event = Event.from_json(json.loads(message[0]), message[1])
        missing = self._versions.take(event) if self._filter.wants(event) else None
        if missing is None:
            return None
        if missing > 0 and self._filter.sees_all_statuses:
            self._held = event
            name = f"{event.project}/{event.task_id}"
            raise EventsLost(f"{missing} events of {name} before its version {event.version} are gone")
        return event

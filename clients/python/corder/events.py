"""Events, live or replayed: in order a task, each once, without gaps, across reconnects and restarts of the server.

With the stream CORDER_EVENTS an own short-lived consumer is made, and made again behind the last event that was seen
whenever it falls silent or skips a number. Without the stream (it can be off) the live subject is all there is.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Literal

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from .errors import Error, EventsLost
from .model import Event, time_to_json
from .wire import PASSING, Wire, log, patiently

Since = Literal["all"] | datetime | timedelta | int | None

HEARTBEAT_SECONDS = 1.0
LOOK_SECONDS = 0.5
"""How often silence and the connection are looked at."""
SILENT_LOOKS = 7
"""No heartbeat for so many looks: the consumer is gone."""
TASKS_REMEMBERED = 200_000
"""Tasks whose last version is known; an event seen twice is told apart as long as its task is among them."""
NO_SUCH_STREAM = 10059
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
        self._wire = wire
        self._filter = wanted
        self._since = since
        self._versions = Versions()
        self._subscription: Subscription | None = None
        self._stream: str | None = None
        self._consumer: str | None = None
        self._consumer_seq = 0
        self._connection = 0
        self._silent = 0
        self._pending: Event | None = None
        self._opened = False
        self._closed = False
        self.position: int | None = None
        """The stream sequence up to which all was looked at: `since=position` goes on behind it."""
        self.resets = 0
        """How often the consumer had to be made again."""

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
        if self._opened:
            return
        await patiently(self._wire.patience, "events", self._begin)
        self._opened = True

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._drop()

    async def __anext__(self) -> Event:
        await self.open()
        if self._pending is not None:
            held, self._pending = self._pending, None
            return held
        while not self._closed:
            event = await self._turn()
            missing = None if event is None or not self._filter.wants(event) else self._versions.take(event)
            if event is None or missing is None:
                continue
            if missing > 0 and self._filter.sees_all_statuses:
                self._pending = event
                name = f"{event.project}/{event.task_id}"
                raise EventsLost(f"{missing} events of {name} before its version {event.version} are gone")
            return event
        raise StopAsyncIteration

    async def _turn(self) -> Event | None:
        """One message, or one silence. None when it is nothing for the caller."""
        subscription = self._subscription
        try:
            if subscription is None:
                await self._begin()
                self.resets += 1
                return None
            message = await subscription.next_msg(timeout=LOOK_SECONDS)
            self._silent = 0
        except (nats.errors.ConnectionClosedError, nats.errors.BadSubscriptionError) as error:
            if self._wire.nats.is_closed or self._closed:
                self._closed = True
                raise StopAsyncIteration from error
            await self._again()
            return None
        except PASSING:
            self._silent += 1
            # A plain subscription is made again by the connection itself.
            if self._stream and (self._silent >= SILENT_LOOKS or self._connection != self._wire.connections):
                await self._again()
            return None
        return await self._read(message)

    async def _again(self) -> None:
        await self._drop()
        if self._wire.nats.is_closed:
            self._closed = True
        else:
            await asyncio.sleep(0.1)

    async def _read(self, message: Msg) -> Event | None:
        if self._stream is None:
            return Event.from_json(json.loads(message.data))
        if message.headers and "Status" in message.headers:
            await self._control(message)
            return None
        place = message.metadata.sequence
        if place.consumer != self._consumer_seq + 1:
            log.debug("events: the consumer skipped from %d to %d", self._consumer_seq, place.consumer)
            await self._again()
            return None
        self._consumer_seq = place.consumer
        self.position = place.stream
        return Event.from_json(json.loads(message.data), place.stream)

    async def _control(self, message: Msg) -> None:
        """A heartbeat tells how far the consumer is; a flow control message wants an answer."""
        if message.reply:
            await self._wire.nats.publish(message.reply)
        assert message.headers is not None
        stalled = message.headers.get("Nats-Consumer-Stalled")
        if stalled:
            await self._wire.nats.publish(stalled)
        last = message.headers.get("Nats-Last-Consumer")
        if last is None:
            return
        if int(last) != self._consumer_seq:
            await self._again()
        elif self.position is not None:
            # What the filter left out is behind us as well, and may leave the stream.
            self.position = max(self.position, int(message.headers.get("Nats-Last-Stream", 0)))

    async def _api(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        message = await self._wire.ask(f"$JS.API.{call}", json.dumps(body).encode())
        said: dict[str, Any] = json.loads(message.data)
        return said

    async def _begin(self) -> None:
        """Makes the subscription and the consumer, behind the last event that was seen."""
        name = self._wire.stream("EVENTS")
        connection = self._wire.connections
        info = await self._api(f"STREAM.INFO.{name}", {})
        if "error" in info:
            if info["error"].get("err_code") != NO_SUCH_STREAM:
                raise asyncio.TimeoutError(info["error"].get("description"))
            await self._begin_live(name)
            return
        self._stream = name
        inbox = self._wire.nats.new_inbox()
        config = {
            "deliver_subject": inbox,
            "filter_subject": self._wire.subject(self._filter.subject),
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
            "inactive_threshold": int(30e9),
            **self._start(info["state"]),
        }
        subscription = await self._wire.nats.subscribe(inbox)
        try:
            made = await self._api(f"CONSUMER.CREATE.{name}", {"stream_name": name, "config": config})
            if "error" in made:
                raise asyncio.TimeoutError(made["error"].get("description"))
        except BaseException:
            await subscription.unsubscribe()
            raise
        self._subscription = subscription
        self._connection = connection
        self._silent = 0
        self._consumer = made["name"]
        self._consumer_seq = 0

    async def _begin_live(self, name: str) -> None:
        if self._since is not None:
            raise Error(f"there is no stream {name} to replay from; Corder keeps one unless CORDER_EVENTS_MAX_AGE is 0")
        self._stream = None
        self._subscription = await self._wire.nats.subscribe(self._wire.subject(self._filter.subject))
        await self._wire.nats.flush()

    def _start(self, state: dict[str, Any]) -> dict[str, Any]:
        """Where the consumer begins. From then on a number of the stream is known, even before the first event."""
        first, last = int(state["first_seq"]), int(state["last_seq"])
        if self.position is None and isinstance(self._since, int):
            self.position = self._since
        if self.position is not None:
            if self.position > last or self.position + 1 < first:
                raise EventsLost(f"the events after {self.position} are gone: the stream holds {first} to {last}")
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": self.position + 1}
        if self._since is None:
            self.position = last
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": last + 1}
        if self._since == "all":
            return {"deliver_policy": "all"}
        since = self._since
        at = datetime.now(timezone.utc) - since if isinstance(since, timedelta) else since
        assert isinstance(at, datetime)
        self._since = at
        return {"deliver_policy": "by_start_time", "opt_start_time": time_to_json(at)}

    async def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        consumer, self._consumer = self._consumer, None
        if subscription is None or self._wire.nats.is_closed:
            return
        try:
            await subscription.unsubscribe()
            if consumer is not None and self._wire.nats.is_connected:
                # Only a courtesy: it would go by itself. So nobody waits for the answer.
                await self._wire.nats.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}")
        except (nats.errors.Error, OSError) as error:
            log.debug("events: %s", error)

"""Messages of the stream of events, from a sequence on, without a gap.

An own short-lived consumer is made, and made again behind the last message that was seen, whenever it falls silent or
skips a number, or the connection is a new one. Without the stream (it can be off) the live subject is all there is.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from .errors import Error, EventsLost
from .model import time_to_json
from .wire import PASSING, Wire, log, patiently

Since = Literal["all"] | datetime | timedelta | int | None
Message = tuple[bytes, int | None]

HEARTBEAT_SECONDS = 1.0
LOOK_SECONDS = 0.5
"""How often silence and the connection are looked at."""
SILENT_LOOKS = 7
"""No heartbeat for so many looks: the consumer is gone."""
PAUSE_SECONDS = 0.1
QUEUE_MESSAGES = 16_384
NO_SUCH_STREAM = 10059


def place_of(reply: str) -> tuple[int, int, int]:
    """Of a message: its sequence in the stream, its number from the consumer, how many are still to come."""
    tokens = reply.split(".")
    at = 5 if len(tokens) == 9 else 7  # newer servers tell domain and account as well
    return int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 3])


class Source:
    def __init__(self, wire: Wire, subject: str, since: Since):
        self._wire = wire
        self._subject = wire.subject(subject)
        self._since = since
        self._queue: asyncio.Queue[Msg] = asyncio.Queue(QUEUE_MESSAGES)
        self._subscription: Subscription | None = None
        self._stream: str | None = None
        self._consumer: str | None = None
        self._number = 0
        self._connection = 0
        self._silent = 0
        self._opened = False
        self.closed = False
        self.position: int | None = None
        self.pending: int | None = None
        """How many messages were still to come at the last look; None when nobody knows."""

    async def open(self) -> None:
        if self._opened:
            return
        await patiently(self._wire.patience, "events", self._begin)
        self._opened = True

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            await self._drop()

    async def turn(self) -> Message | None:
        """One message, or one silence."""
        if self._wire.nats.is_closed:
            self.closed = True
            return None
        if self._subscription is None:
            try:
                await self._begin()
            except PASSING:
                await asyncio.sleep(PAUSE_SECONDS)
            except nats.errors.ConnectionClosedError:
                self.closed = True
            return None
        message = await self._next()
        if message is not None:
            self._silent = 0
            return await self._read(message)
        self._silent += 1
        # A plain subscription is made again by the connection itself.
        if self._stream and (self._silent >= SILENT_LOOKS or self._connection != self._wire.connections):
            await self._again()
        return None

    async def _next(self) -> Msg | None:
        if not self._queue.empty():
            return self._queue.get_nowait()
        try:
            return await asyncio.wait_for(self._queue.get(), LOOK_SECONDS)
        except asyncio.TimeoutError:
            return None

    async def _again(self) -> None:
        await self._drop()
        if not self._wire.nats.is_closed:
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, message: Msg) -> Message | None:
        if self._stream is None:
            return message.data, None
        if message.headers and "Status" in message.headers:
            await self._control(message)
            return None
        sequence, number, pending = place_of(message.reply)
        if number != self._number + 1:
            log.debug("events: the consumer skipped from %d to %d", self._number, number)
            await self._again()
            return None
        self._number, self.position, self.pending = number, sequence, pending
        return message.data, sequence

    async def _control(self, message: Msg) -> None:
        """A heartbeat tells how far the consumer is; a flow control message wants an answer."""
        assert message.headers is not None
        for wanted in (message.reply, message.headers.get("Nats-Consumer-Stalled")):
            if wanted:
                await self._wire.nats.publish(wanted)
        last = message.headers.get("Nats-Last-Consumer")
        if last is None:
            return
        if int(last) != self._number:
            await self._again()
        elif self.position is not None:
            # What the filter left out is behind us as well, and may leave the stream.
            self.position = max(self.position, int(message.headers.get("Nats-Last-Stream", 0)))

    async def _api(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        message = await self._wire.ask(f"$JS.API.{call}", json.dumps(body).encode())
        said: dict[str, Any] = json.loads(message.data)
        return said

    async def _begin(self) -> None:
        """Makes the subscription and the consumer, behind the last message that was seen."""
        name = self._wire.stream("EVENTS")
        connection = self._wire.connections
        info = await self._api(f"STREAM.INFO.{name}", {})
        if "error" in info:
            if info["error"].get("err_code") != NO_SUCH_STREAM:
                raise asyncio.TimeoutError(info["error"].get("description"))
            await self._begin_live(name)
            return
        inbox = self._wire.nats.new_inbox()
        config = {
            "deliver_subject": inbox,
            "filter_subject": self._subject,
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
            "inactive_threshold": int(30e9),
            **self._start(info["state"]),
        }
        subscription = await self._subscribe(inbox)
        try:
            made = await self._api(f"CONSUMER.CREATE.{name}", {"stream_name": name, "config": config})
            if "error" in made:
                raise asyncio.TimeoutError(made["error"].get("description"))
        except BaseException:
            await subscription.unsubscribe()
            raise
        self._stream, self._consumer, self._subscription = name, made["name"], subscription
        self._number, self._silent, self._connection = 0, 0, connection
        self.pending = int(made.get("num_pending", 0))

    async def _begin_live(self, name: str) -> None:
        if self._since is not None:
            raise Error(f"there is no stream {name} to replay from; Corder keeps one unless CORDER_EVENTS_MAX_AGE is 0")
        self._stream = None
        self._subscription = await self._subscribe(self._subject)
        await self._wire.nats.flush()

    async def _subscribe(self, subject: str) -> Subscription:
        """Into a queue of its own: what an earlier consumer still sends is not taken for the new one's."""
        queue: asyncio.Queue[Msg] = asyncio.Queue(QUEUE_MESSAGES)
        self._queue = queue

        async def take(message: Msg) -> None:
            await queue.put(message)

        return await self._wire.nats.subscribe(subject, cb=take)

    def _start(self, state: dict[str, Any]) -> dict[str, Any]:
        """Where the consumer begins. From then on a number of the stream is known, even before the first event."""
        first, last = int(state["first_seq"]), int(state["last_seq"])
        if self.position is None and isinstance(self._since, int):
            self.position = self._since
        if self.position is not None:
            wanted = self.position
            self.position = min(max(wanted, first - 1), last)
            if self.position != wanted:
                # Told once; whoever goes on all the same goes on with what there is.
                raise EventsLost(f"the events after {wanted} are gone: the stream holds {first} to {last}")
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

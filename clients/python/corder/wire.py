"""The connection: requests that are repeated with the same ids until something answers, and typed refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from .errors import Error, NoAnswer, Refused, Unavailable

log = logging.getLogger("corder")

T = TypeVar("T")

TRY_SECONDS = 5.0
PAUSE_LEAST_SECONDS = 0.05
PAUSE_MOST_SECONDS = 1.0
CLOSE_SECONDS = 2.0


class _ConnectionLost(Exception):
    """The connection was another one when the request was sent: its answer will not come."""


# What passes by itself: the connection comes back, a service is started, a stream gets its leader.
PASSING = (
    asyncio.TimeoutError,
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.StaleConnectionError,
    nats.js.errors.ServiceUnavailableError,
    nats.js.errors.NoStreamResponseError,
    OSError,
    _ConnectionLost,
)


class _Again(Exception):
    """`unavailable`: worth another try."""


async def patiently(patience: float, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Runs `attempt` until it works; what passes by itself is tried again for `patience` seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    pause = PAUSE_LEAST_SECONDS
    while True:
        try:
            return await attempt()
        except nats.errors.ConnectionClosedError as error:
            raise NoAnswer(f"{what}: the connection is closed") from error
        except (_Again, *PASSING) as error:
            if loop.time() + pause > until:
                kind = Unavailable if isinstance(error, _Again) else NoAnswer
                raise kind(f"{what}: {_why(error)}") from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_MOST_SECONDS)


def _why(error: BaseException) -> str:
    if isinstance(error, nats.errors.NoRespondersError):
        return "nobody serves this subject; are Corder's services running?"
    if isinstance(error, (_ConnectionLost, asyncio.TimeoutError, nats.errors.TimeoutError)):
        return "no answer"
    return str(error) or type(error).__name__


class Wire:
    """A NATS connection that knows Corder's subjects. Everything else in this package speaks through it."""

    def __init__(self, connection: Nats, prefix: str, patience: float):
        self.nats = connection
        self.prefix = prefix
        self.patience = patience
        self.connections = 1
        """How many there were: with each new one, whatever was asked for on the one before has to be asked again."""
        self._asking: set[asyncio.Task[Msg]] = set()
        self._lost: set[asyncio.Task[Msg]] = set()

    def subject(self, relative: str) -> str:
        return f"{self.prefix}.v1.{relative}"

    def stream(self, name: str) -> str:
        return f"{self.prefix.replace('.', '_').upper()}_{name}"

    def reconnected(self) -> None:
        self.connections += 1
        for asking in self._asking:
            self._lost.add(asking)
            asking.cancel()

    async def ask(
        self, subject: str, payload: bytes, seconds: float = TRY_SECONDS, headers: dict[str, str] | None = None
    ) -> Msg:
        """One plain request. It does not wait for an answer that went to a connection that is gone."""
        asking = asyncio.ensure_future(self.nats.request(subject, payload, timeout=seconds, headers=headers))
        self._asking.add(asking)
        try:
            return await asking
        except asyncio.CancelledError as error:
            if asking in self._lost:
                raise _ConnectionLost from error
            raise
        finally:
            self._asking.discard(asking)
            self._lost.discard(asking)

    async def request(
        self,
        relative: str,
        body: Mapping[str, Any] | bytes,
        *,
        patience: float | None = None,
        try_seconds: float = TRY_SECONDS,
    ) -> dict[str, Any]:
        """The reply, once one came that says something. Raises Refused, Unavailable or NoAnswer."""
        payload = body if isinstance(body, bytes) else encode(body)
        subject = self.subject(relative)

        async def attempt() -> dict[str, Any]:
            message = await self.ask(subject, payload, try_seconds)
            return read_reply(message.data)

        return await patiently(self.patience if patience is None else patience, subject, attempt)

    async def append(self, relative: str, payload: bytes, message_id: str) -> None:
        """Publishes into a stream until it says that the message is stored. Twice is harmless: it has an id."""
        subject = self.subject(relative)

        async def attempt() -> None:
            message = await self.ask(subject, payload, headers={"Nats-Msg-Id": message_id})
            said = json.loads(message.data)
            if "error" in said:
                raise _Again(str(said["error"].get("description", "the stream refused it")))

        await patiently(self.patience, subject, attempt)

    async def position(self) -> int | None:
        """Where the stream of events stands; None when it does not say so at once."""
        try:
            message = await self.ask(f"$JS.API.STREAM.INFO.{self.stream('EVENTS')}", b"", 1.0)
        except (nats.errors.Error, *PASSING):
            return None
        state = json.loads(message.data).get("state")
        return None if state is None else int(state["last_seq"])

    async def close(self) -> None:
        if self.nats.is_closed:
            return
        try:
            # nats-py can wait for ever for the end of a connection that was about to be made again.
            await asyncio.wait_for(self.nats.close(), CLOSE_SECONDS)
        except asyncio.TimeoutError:
            log.debug("the connection did not end in time; it is left alone")


def encode(body: Mapping[str, Any]) -> bytes:
    """Compact JSON. NaN and what is no JSON at all are the caller's mistake, told here rather than by the server."""
    try:
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"no valid Unicode: {error}") from error


def read_reply(data: bytes) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(data)
    if reply.get("ok"):
        return reply
    error = reply.get("error") or {}
    if error.get("code") == "unavailable":
        raise _Again(error.get("message", "unavailable"))
    raise Refused.from_json(error)


async def _abandon(connection: Nats) -> None:
    """Older releases of nats-py cannot close what was never open."""
    with contextlib.suppress(AttributeError, nats.errors.Error, OSError):
        await connection.close()


def setting(name: str) -> str | None:
    """From the environment, or from the file that <name>_FILE names."""
    path = os.environ.get(f"{name}_FILE")
    if path and not os.environ.get(name):
        return Path(path).read_text().strip()
    return os.environ.get(name)


async def open_wire(url: str | None, prefix: str | None, patience: float, options: dict[str, Any]) -> Wire:
    servers = [one.strip() for one in (url or setting("NATS_URL") or "nats://127.0.0.1:4222").split(",")]
    shown = ", ".join(re.sub("//.*@", "//…@", one) for one in servers)
    connection = Nats()
    wire = Wire(connection, prefix or setting("CORDER_PREFIX") or "corder", patience)
    last: list[str] = []
    given_reconnected = options.pop("reconnected_cb", None)
    given_error = options.pop("error_cb", None)

    async def reconnected() -> None:
        wire.reconnected()
        if given_reconnected is not None:
            await given_reconnected()

    async def failed(error: Exception) -> None:
        if not last and not connection.is_connected:
            log.warning("no NATS server takes us at %s yet: %s; trying on", shown, error)
        log.debug("connection: %s", error)
        last[:] = [str(error)]
        if given_error is not None:
            await given_error(error)

    settings: dict[str, Any] = {
        "name": "corder-python",
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.2,
        "connect_timeout": 2,
        **options,
        "reconnected_cb": reconnected,
        "error_cb": failed,
    }
    try:
        await asyncio.wait_for(connection.connect(servers, **settings), max(patience, 0.1))
    except (asyncio.TimeoutError, nats.errors.NoServersError, OSError) as error:
        await _abandon(connection)
        raise NoAnswer(f"no NATS server takes us at {shown}: {(last or ['no answer'])[0]}") from error
    except nats.errors.Error as error:
        await _abandon(connection)
        raise Error(f"NATS at {shown}: {error}") from error
    return wire

"""A worker: handlers by task type, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from .client import Client, connect
from .ids import worker_name
from .job import Job
from .lane import Handler, Lane
from .wire import log

F = TypeVar("F", bound=Handler)

LEASE_SECONDS = 30.0
GRACE_SECONDS = 30.0


def _is_nobodys(handler: Any) -> bool:
    """A handler that no program has set: none, Python's own, or what asyncio.run has had for Ctrl-C since 3.11."""
    runner = getattr(getattr(handler, "func", None), "__self__", None)
    return handler in (signal.SIG_DFL, signal.default_int_handler, None) or isinstance(
        runner, getattr(asyncio, "Runner", ())
    )


class Worker:
    """Runs tasks. Handlers are coroutines, or plain functions, which run in threads.

    What a handler returns is the task's result (any JSON value). TaskFailed says why it failed and whether another try
    makes sense; any other exception is a failure that is tried again; Release gives the task back. Leases are renewed
    as long as the handler works. A task that was cancelled, or whose lease is lost, ends its handler with
    asyncio.CancelledError.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        name: str | None = None,
        concurrency: int = 1,
        lease_s: float = LEASE_SECONDS,
        grace_s: float = GRACE_SECONDS,
    ):
        """concurrency: tasks of one type at once; grace_s: how long a stop lets handlers go on before it releases them.

        Without a client, `run` and `serve` connect by the environment.
        """
        self.client = client
        self.name = name or worker_name()
        self.concurrency = concurrency
        self.lease_s = lease_s
        self.grace_s = grace_s
        self.on_end: Callable[[Job, str], None] | None = None
        """Called when a task is off the worker's hands: returned, failed, released, cancelled, lease lost."""
        self._handlers: dict[str, tuple[Handler, int]] = {}
        self._lanes: list[Lane] = []
        self._stop: asyncio.Event | None = None
        self._stopping = False
        self._running: asyncio.Future[None] | None = None

    def task(self, task_type: str, *, concurrency: int | None = None) -> Callable[[F], F]:
        """Decorates the handler of a task type."""

        def take(handler: F) -> F:
            self.add(task_type, handler, concurrency=concurrency)
            return handler

        return take

    def add(self, task_type: str, handler: Handler, *, concurrency: int | None = None) -> None:
        """The same without a decorator."""
        if task_type in self._handlers:
            raise ValueError(f"{task_type} has a handler already")
        self._handlers[task_type] = (handler, concurrency or self.concurrency)

    @property
    def jobs(self) -> list[Job]:
        """What is at work now."""
        return [run.job for lane in self._lanes for run in lane.runs.values()]

    async def run(self) -> None:
        """Works until `stop`, SIGTERM or SIGINT; then finishes what runs, settles it and returns.

        What runs longer than `grace_s`, or till a second signal, is stopped and given back; a function in a thread
        cannot be stopped, and is waited for.
        """
        if not self._handlers:
            raise ValueError("a worker needs a handler: decorate one with @worker.task(…)")
        if self.client is None:
            async with connect() as client:
                await self._work(client)
        else:
            await self._work(self.client)

    def serve(self) -> None:
        """The same for a program that does nothing else: blocks until the worker has stopped."""
        asyncio.run(self.run())

    def stop(self) -> None:
        """No further task. `run` returns when what runs has ended. May be called from any thread or signal handler."""
        self._stopping = True
        for lane in self._lanes:
            lane._loop.call_soon_threadsafe(lane.stop)
        if self._stop is not None and self._lanes:
            self._lanes[0]._loop.call_soon_threadsafe(self._stop.set)

    async def __aenter__(self) -> Worker:
        """In the background, for as long as the block lasts."""
        self._running = asyncio.ensure_future(self.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._running is not None
        self.stop()
        await self._running

    async def _work(self, client: Client) -> None:
        lease_ms = int(self.lease_s * 1000)
        self._stop = asyncio.Event()
        self._lanes = [
            Lane(client.wire, self.name, task_type, handler, concurrency, lease_ms)
            for task_type, (handler, concurrency) in self._handlers.items()
        ]
        for lane in self._lanes:
            lane.on_end = self.on_end
            if self._stopping:
                lane.stop()
        handled = self._catch_signals()
        watching = asyncio.ensure_future(self._watch(self._stop))
        at_work = [asyncio.ensure_future(lane.run()) for lane in self._lanes]
        try:
            await asyncio.gather(*at_work)
        finally:
            watching.cancel()
            for one in at_work:
                one.cancel()
            await asyncio.gather(*at_work, watching, return_exceptions=True)
            loop = asyncio.get_running_loop()
            for number in handled:
                loop.remove_signal_handler(number)
            self._lanes, self._stopping = [], False

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(self.grace_s)
        self._release()

    def _release(self) -> None:
        for lane in self._lanes:
            lane.release_all()

    def _catch_signals(self) -> list[signal.Signals]:
        if threading.current_thread() is not threading.main_thread():
            return []
        loop = asyncio.get_running_loop()
        caught = []
        for one in (signal.SIGINT, signal.SIGTERM):
            if _is_nobodys(signal.getsignal(one)):
                loop.add_signal_handler(one, self._signalled)
                caught.append(one)
        return caught

    def _signalled(self) -> None:
        assert self._stop is not None
        if self._stop.is_set():
            self._release()
        else:
            log.info("stopping: %d tasks are at work", len(self.jobs))
            self.stop()

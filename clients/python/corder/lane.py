"""One task type of a worker: asks for tasks, runs them, renews their leases, settles them with the next question.

A settlement goes with the question for the next task where the lane is about to ask, else in a message of its own with
all that has ended by then. Either is repeated, with the same ids, until it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .content import clean, sized
from .errors import NoAnswer, Refused, Release, TaskFailed
from .ids import new_id
from .job import Delivered, Job
from .wire import Wire, log

Handler = Callable[[Job], Any]

WAIT_MS = 2000
"""How long a question waits for a task; also the longest that a stop of an idle lane takes."""
WAIT_WITH_DONE_MS = 200
"""Short: the answer also confirms settlements."""
ANSWER_SPARE_SECONDS = 3.0
DONE_MOST = 256
RESULT_BYTES = 262_144
REQUEST_BYTES = 900_000
RENEW_MOST_SECONDS = 3.0
"""A cancel is heard of with a renewal."""
PROGRESS_LEAST_SECONDS = 0.2
FOREVER = 1e9

CANCEL, LOST, STOPPED = "cancelled", "lease lost", "worker stopped"


@dataclass
class Run:
    """A leased task: its handler at work, then its settlement on the way."""

    job: Job
    handler: asyncio.Task[Any] | None = None
    ending: str = ""
    done: dict[str, Any] | None = None


class Lane:
    def __init__(self, wire: Wire, name: str, task_type: str, handler: Handler, concurrency: int, lease_ms: int):
        self.wire = wire
        self.name = name
        self.task_type = task_type
        self.handler = handler
        called = getattr(handler, "__call__", None)  # noqa: B004
        self.is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called)
        self.concurrency = concurrency
        self.lease_ms = lease_ms
        self.stopping = False
        self._closing = False
        self.runs: dict[str, Run] = {}
        self.settled: list[tuple[Job, str]] = []
        self.on_end: Callable[[Job, str], None] | None = None
        self._done: list[Run] = []
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asking = False
        self._threads: ThreadPoolExecutor | None = None
        self._loop = asyncio.get_running_loop()

    # ---- the life of the lane

    async def run(self) -> None:
        """Until `stop`, and then until what runs has ended and is settled."""
        helpers = [asyncio.ensure_future(self._renew_all()), asyncio.ensure_future(self._settle_all())]
        asking = asyncio.ensure_future(self._ask_all())
        try:
            await asyncio.wait([asking, *helpers], return_when=asyncio.FIRST_COMPLETED)
            for ended in (asking, *helpers):
                if ended.done():
                    ended.result()
            await asking
        finally:
            self._closing = True
            for helper in (*helpers, asking):
                helper.cancel()
            for run in self.runs.values():
                if run.handler is not None:
                    run.handler.cancel()
            await asyncio.gather(*helpers, asking, return_exceptions=True)
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """No further task; what runs goes on to its end."""
        self.stopping = True
        self._changed.set()

    def release_all(self) -> None:
        """What still runs is stopped and given back."""
        for run in list(self.runs.values()):
            self._end(run, STOPPED)

    async def _ask_all(self) -> None:
        while not self.stopping or self.runs:
            free = self.concurrency - len(self.runs) + len(self._done)
            if self.stopping or free <= 0:
                self._changed.clear()
                await self._changed.wait()
            else:
                await self._ask(free)

    # ---- questions and settlements

    def _take_done(self) -> list[Run]:
        """As many settlements as fit into a message."""
        size, count = 0, 0
        for run in self._done[:DONE_MOST]:
            size += len(json.dumps(run.done))
            if count and size > REQUEST_BYTES:
                break
            count += 1
        taken, self._done = self._done[:count], self._done[count:]
        return taken

    async def _ask(self, free: int) -> None:
        done = self._take_done()
        wait_ms = WAIT_WITH_DONE_MS if done else WAIT_MS
        body = {
            "worker": self.name,
            "max": min(free, DONE_MOST),
            "wait_ms": wait_ms,
            "lease_ms": self.lease_ms,
            "request_id": new_id(),
            "done": [run.done for run in done],
        }
        self._asking = True
        try:
            reply = await self._request("work", body, wait_ms / 1000 + ANSWER_SPARE_SECONDS)
        except Refused:
            if not done:
                raise
            await self._settle_alone(done)
            return
        finally:
            self._asking = False
            self._changed.set()
        self._take_verdicts(done, reply["done"])
        for task in reply["tasks"]:
            self._start(Delivered.from_json(task))

    async def _settle_all(self) -> None:
        """What ends while a question waits, or while nothing more is asked for, does not wait for it."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(0)  # the lane's own question goes first, and takes the settlements along
            if not self._done or not (self._asking or self.stopping):
                self._changed.clear()
                continue
            done = self._take_done()
            try:
                await self._settle(done)
            except Refused:
                await self._settle_alone(done)

    async def _settle(self, done: list[Run]) -> None:
        reply = await self._request("settle", {"worker": self.name, "done": [run.done for run in done]}, 5.0)
        self._take_verdicts(done, reply["done"])

    async def _settle_alone(self, done: list[Run]) -> None:
        """One of them was refused, and the others with it: each by itself, and the one to blame as failed."""
        for run in done:
            try:
                await self._settle([run])
            except Refused as error:
                log.error("%s: its settlement is refused: %s", run.job.task_id, error)
                run.done = {**_address(run.job), **_failure(f"its settlement was refused: {error}", retryable=False)}
                await self._settle([run])

    async def _request(self, verb: str, body: dict[str, Any], seconds: float) -> dict[str, Any]:
        """No answer says nothing, so the very same request goes again, for as long as it takes."""
        silent = False
        while True:
            try:
                reply = await self.wire.request(f"{verb}.{self.task_type}", body, patience=30.0, try_seconds=seconds)
            except NoAnswer as error:
                if self.wire.nats.is_closed:
                    raise
                if not silent:
                    log.warning("%s; trying on", error)
                silent = True
                continue
            if silent:
                log.warning("%s: answered again", self.task_type)
            return reply

    def _take_verdicts(self, done: list[Run], verdicts: list[dict[str, Any]]) -> None:
        for run, verdict in zip(done, verdicts, strict=True):
            assert run.done is not None
            error = verdict.get("error") or {}
            again = not verdict["ok"] and error.get("code") not in ("stale_lease", "not_found")
            if again and run.done["outcome"] == "completed":
                # It can never be taken (too large, say): that is told as a failure instead.
                run.done = {**_address(run.job), **_failure(str(error.get("message", "")), retryable=False)}
                self._done.append(run)
                continue
            if not verdict["ok"]:
                log.warning("%s: the settlement does not count: %s", run.job.task_id, error.get("message"))
            self._forget(run, run.ending or {"completed": "returned"}.get(run.done["outcome"], run.done["outcome"]))
        self._changed.set()

    def _forget(self, run: Run, how: str) -> None:
        self.runs.pop(run.job.lease, None)
        if self.on_end is not None:
            self.on_end(run.job, how)
        self._changed.set()

    # ---- handlers

    def _start(self, task: Delivered) -> None:
        if task.lease in self.runs:
            return
        run = Run(Job(task, self._tell))
        self.runs[task.lease] = run
        run.handler = asyncio.ensure_future(self._handle(run))

    async def _handle(self, run: Run) -> None:
        try:
            said = await self._outcome(run)
        except asyncio.CancelledError:
            if not run.ending:
                raise
            said = {"outcome": "released"}
        if run.ending == LOST:
            self._forget(run, LOST)
            return
        run.done = {**_address(run.job), **said}
        self._done.append(run)
        self._changed.set()

    async def _outcome(self, run: Run) -> dict[str, Any]:
        try:
            result = await self._call(run.job)
        except Release:
            return {"outcome": "released"}
        except TaskFailed as error:
            return _failure(error.message, error.retryable)
        except asyncio.CancelledError:
            if run.ending:
                return {"outcome": "released"}
            if self._closing:
                raise
            return _failure("CancelledError: something that the handler waited for was cancelled", retryable=True)
        except (Exception, SystemExit) as error:
            log.info("%s failed", run.job.task_id, exc_info=True)
            return _failure(f"{type(error).__name__}: {error}", retryable=True)
        try:
            size = sized(result)
        except Exception as error:
            return _failure(f"the result cannot be sent: {type(error).__name__}: {error}", retryable=False)
        if size > RESULT_BYTES:
            return _failure(f"the result has {size} bytes, at most {RESULT_BYTES} are kept", retryable=False)
        return {"outcome": "completed", "result": result}

    async def _call(self, job: Job) -> Any:
        if self.is_async:
            return await self.handler(job)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.concurrency, f"corder-{self.task_type}")
        # A thread cannot be stopped from outside: its slot stays taken until it returns.
        thread = self._loop.run_in_executor(self._threads, self.handler, job)
        value = await _uncancelled(thread)
        return await value if isinstance(value, Awaitable) else value

    def _end(self, run: Run, why: str) -> None:
        if run.ending or run.done is not None:
            return
        run.ending = why
        run.job._end(why)
        if run.handler is not None and self.is_async:
            run.handler.cancel(why)

    # ---- leases

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._hurry.set)

    async def _renew_all(self) -> None:
        """At a third of the lease, sooner for progress."""
        every = min(self.lease_ms / 3000, RENEW_MOST_SECONDS)
        pause = min(PROGRESS_LEAST_SECONDS, every / 3)
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), every - pause)
            self._hurry.clear()
            runs = list(self.runs.values())
            for first in range(0, len(runs), DONE_MOST):
                await self._renew(runs[first : first + DONE_MOST])
            await asyncio.sleep(pause)

    async def _renew(self, runs: list[Run]) -> None:
        leases = []
        for run in runs:
            progress = run.job._take_progress()
            leases.append({**_address(run.job), **({"progress": progress} if progress is not None else {})})
        body = {"worker": self.name, "leases": leases, "lease_ms": self.lease_ms}
        try:
            reply = await self.wire.request(f"renew.{self.task_type}", body, patience=1.0, try_seconds=2.0)
        except NoAnswer as error:
            log.debug("renew: %s", error)
            return
        except Refused as error:
            log.error("renew: %s", error)
            return
        for run, verdict in zip(runs, reply["leases"], strict=True):
            if verdict.get("cancel"):
                self._end(run, CANCEL)
            elif (verdict.get("error") or {}).get("code") in ("stale_lease", "not_found"):
                self._end(run, LOST)


async def _uncancelled(thread: asyncio.Future[Any]) -> Any:
    while True:
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            if thread.done():
                raise


def _address(job: Job) -> dict[str, str]:
    return {"project": job.project, "task_id": job.task_id, "lease": job.lease}


def _failure(message: object, retryable: bool) -> dict[str, Any]:
    return {"outcome": "failed", "error": {"message": clean(message), "retryable": retryable}}

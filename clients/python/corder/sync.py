"""The same without asyncio: a client whose methods block, on an event loop in a thread of its own.

    with corder.sync.connect(project="shop") as client:
        submission = client.submit(corder.Task("coding"))
        print(client.wait(submission))

A worker needs no synchronous face: its handlers may be plain functions, and `Worker.serve()` blocks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Generic, TypeVar

from . import client as asynchronous
from .client import PATIENCE_SECONDS, Names
from .events import Events as AsyncEvents
from .model import Changed, Event, Outcome, Progress, Submission, Task, TaskInfo
from .replies import Executable, Explanation, Service, Status, Timeline
from .source import Since
from .submitting import What
from .waiting import Count, OnEvent

T = TypeVar("T")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="corder", daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except (KeyboardInterrupt, CancelledError):
            future.cancel()
            raise

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Stream(Iterator[T], Generic[T]):
    """A plain iterator over an asynchronous one."""

    def __init__(self, loop: Loop, source: AsyncIterator[T]):
        self._loop = loop
        self._source = source

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        async def step() -> tuple[T, ...]:
            # A StopIteration cannot pass through a future, so the end is an empty tuple.
            try:
                return (await self._source.__anext__(),)
            except StopAsyncIteration:
                return ()

        got = self._loop.run(step())
        if not got:
            raise StopIteration
        return got[0]


class Events(Stream[Event]):
    """Events as an iterator; `with` it to be subscribed before what you do next."""

    _source: AsyncEvents

    def __enter__(self) -> Events:
        self._loop.run(self._source.open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def position(self) -> int | None:
        return self._source.position

    def close(self) -> None:
        self._loop.run(self._source.close())


def connect(
    url: str | None = None,
    *,
    project: str | None = None,
    prefix: str | None = None,
    patience: float = PATIENCE_SECONDS,
    **options: Any,
) -> Client:
    """As corder.connect, but it blocks until connected."""
    loop = Loop()

    async def open_client() -> asynchronous.Client:
        return await asynchronous.connect(url, project=project, prefix=prefix, patience=patience, **options)

    try:
        return Client(loop, loop.run(open_client()))
    except BaseException:
        loop.close()
        raise


class Client:
    """corder.Client, blocking. May be used from several threads. The methods say there what they do."""

    def __init__(self, loop: Loop, client: asynchronous.Client):
        self._loop = loop
        self.asynchronous = client
        """The client underneath; it lives on the loop of this one's thread."""

    def close(self) -> None:
        self._loop.run(self.asynchronous.close())
        self._loop.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def project(self) -> str | None:
        return self.asynchronous.project

    def request(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._loop.run(self.asynchronous.request(subject, body))

    def submit(
        self,
        what: What,
        *,
        project: str | None = None,
        batch_id: str | None = None,
        dry_run: bool = False,
        ack: str = "logged",
        order: str | None = None,
    ) -> Submission:
        work = self.asynchronous.submit(what, project=project, batch_id=batch_id, dry_run=dry_run, ack=ack, order=order)
        return self._loop.run(work)

    def enqueue(self, what: What, *, project: str | None = None, batch_id: str | None = None) -> Submission:
        return self._loop.run(self.asynchronous.enqueue(what, project=project, batch_id=batch_id))

    def get(self, task: str | Task, *, project: str | None = None) -> TaskInfo:
        return self._loop.run(self.asynchronous.get(task, project=project))

    def list(
        self,
        *,
        project: str | None = None,
        batch_id: str | None = None,
        status: str | None = None,
        task_type: str | None = None,
        service_name: str | None = None,
        limit: int | None = None,
    ) -> Iterator[TaskInfo]:
        found = self.asynchronous.list(
            project=project,
            batch_id=batch_id,
            status=status,
            task_type=task_type,
            service_name=service_name,
            limit=limit,
        )
        return Stream(self._loop, found)

    def status(self, *, project: str | None = None, window_s: int | None = None) -> Status:
        return self._loop.run(self.asynchronous.status(project=project, window_s=window_s))

    def timeline(self, *, project: str | None = None, batch_id: str | None = None) -> Timeline:
        return self._loop.run(self.asynchronous.timeline(project=project, batch_id=batch_id))

    def executable(
        self, *, project: str | None = None, task_type: str | None = None, limit: int = 20
    ) -> Sequence[Executable]:
        return self._loop.run(self.asynchronous.executable(project=project, task_type=task_type, limit=limit))

    def explain(self, task: str | Task, *, project: str | None = None) -> Explanation:
        return self._loop.run(self.asynchronous.explain(task, project=project))

    def wait(
        self,
        what: Submission | Names,
        *,
        project: str | None = None,
        count: Count = "all",
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> Mapping[str, Outcome]:
        """`on_event` is called in the client's thread."""
        work = self.asynchronous.wait(what, project=project, count=count, timeout=timeout, on_event=on_event)
        return self._loop.run(work)

    def result(self, task: str | Task, *, project: str | None = None, timeout: float | None = None) -> Any:
        return self._loop.run(self.asynchronous.result(task, project=project, timeout=timeout))

    def events(
        self,
        *,
        project: str | None = None,
        task_type: str | None = None,
        status: str | Collection[str] | None = None,
        task_ids: Collection[str] | None = None,
        batch_id: str | None = None,
        since: Since = None,
    ) -> Events:
        source = self.asynchronous.events(
            project=project, task_type=task_type, status=status, task_ids=task_ids, batch_id=batch_id, since=since
        )
        return Events(self._loop, source)

    def progress(self, *, project: str | None = None, task_type: str | None = None) -> Iterator[Progress]:
        return Stream(self._loop, self.asynchronous.progress(project=project, task_type=task_type))

    def cancel(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        return self._loop.run(self.asynchronous.cancel(what, batch_id=batch_id, project=project, reason=reason))

    def retry(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
        cascade: bool = False,
    ) -> Sequence[Changed]:
        work = self.asynchronous.retry(what, batch_id=batch_id, project=project, reason=reason, cascade=cascade)
        return self._loop.run(work)

    def approve(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        return self._loop.run(self.asynchronous.approve(what, batch_id=batch_id, project=project, reason=reason))

    def reject(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        return self._loop.run(self.asynchronous.reject(what, batch_id=batch_id, project=project, reason=reason))

    def update(
        self,
        what: Names | None = None,
        *,
        priority: int,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        work = self.asynchronous.update(what, priority=priority, batch_id=batch_id, project=project, reason=reason)
        return self._loop.run(work)

    def pause(self, *, task_type: str | None = None, project: str | None = None) -> None:
        self._loop.run(self.asynchronous.pause(task_type=task_type, project=project))

    def resume(self, *, task_type: str | None = None, project: str | None = None) -> None:
        self._loop.run(self.asynchronous.resume(task_type=task_type, project=project))

    def services(self, *, seconds: float = 0.5) -> Sequence[Service]:
        return self._loop.run(self.asynchronous.services(seconds=seconds))

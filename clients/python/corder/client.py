"""The client: submit, ask, wait, listen, change. Each method is one message of the contract, or a loop around one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import nats.errors
from nats.aio.client import Client as Nats

from . import submitting, waiting
from .errors import TaskEnded
from .events import Events, Filter
from .graph import Graph
from .model import Changed, Outcome, Progress, Submission, Task, TaskInfo
from .replies import Executable, Explanation, Service, Status, Timeline
from .source import Since
from .waiting import Count, OnEvent
from .wire import Wire, open_wire, setting

PATIENCE_SECONDS = 30.0
PAGE = 1000

Names = str | Task | Iterable[str | Task]


class Connecting:
    """What `connect` returns: await it, or use it as `async with`."""

    def __init__(
        self, url: str | None, project: str | None, prefix: str | None, patience: float, options: dict[str, Any]
    ):
        self._arguments = (url, prefix, patience, options)
        self._project = project
        self._client: Client | None = None

    async def _open(self) -> Client:
        return Client(await open_wire(*self._arguments), self._project or setting("CORDER_PROJECT"))

    def __await__(self) -> Generator[Any, None, Client]:
        return self._open().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._client is not None
        await self._client.close()


def connect(
    url: str | None = None,
    *,
    project: str | None = None,
    prefix: str | None = None,
    patience: float = PATIENCE_SECONDS,
    **options: Any,
) -> Connecting:
    """Connects: `client = await connect()`, or `async with connect() as client`.

    url       of NATS, several with commas between; else NATS_URL, else nats://127.0.0.1:4222
    project   that is meant where a call names none; else CORDER_PROJECT
    prefix    of the subjects; else CORDER_PREFIX, else corder
    patience  seconds for which a request is repeated while nothing answers, with the same ids
    options   what nats-py's connect takes: user_credentials, tls, token …
    """
    return Connecting(url, project, prefix, patience, options)


class Client:
    """A connection to Corder. Safe to use from any number of asyncio tasks at once."""

    def __init__(self, wire: Wire, project: str | None = None):
        self.wire = wire
        self.project = project

    @property
    def nats(self) -> Nats:
        """The connection underneath, for whatever else one does with NATS."""
        return self.wire.nats

    async def close(self) -> None:
        await self.wire.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def project_of(self, project: str | None) -> str:
        chosen = project or self.project
        if not chosen:
            raise ValueError("which project? Give project=…, here or to connect(), or set CORDER_PROJECT")
        return chosen

    async def request(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Any request of the contract, subject without the prefix: repeated until answered, refusals as exceptions."""
        return await self.wire.request(subject, body)

    # ---- submit

    async def submit(
        self,
        what: submitting.What,
        *,
        project: str | None = None,
        batch_id: str | None = None,
        dry_run: bool = False,
        ack: str = "logged",
        order: str | None = None,
    ) -> Submission:
        """Admits a task, a list of tasks or a graph, whole or not at all; when it returns, no crash loses it.

        Ids are made here, so a repetition after a lost answer admits nothing twice. What is too large for a message
        goes in parts. ack="archived" waits until MySQL has it. order (score, fifo or critical_path) says which
        of a graph's tasks of one priority goes first.
        """
        whole = submitting.Order(what, self._project_for(what, project), batch_id)
        return await submitting.submit(self.wire, whole, dry_run=dry_run, ack=ack, by=order)

    async def enqueue(
        self, what: submitting.What, *, project: str | None = None, batch_id: str | None = None
    ) -> Submission:
        """Stores the same in a stream, which works with every service down. The verdict is an event."""
        order = submitting.Order(what, self._project_for(what, project), batch_id)
        return await submitting.enqueue(self.wire, order)

    def _project_for(self, what: submitting.What, project: str | None) -> str:
        own = what.project if isinstance(what, Graph) else what.get("project") if isinstance(what, Mapping) else None
        return self.project_of(project or own)

    # ---- ask

    async def get(self, task: str | Task, *, project: str | None = None) -> TaskInfo:
        """One task with its dependencies, dependents and tries. Raises NotFound."""
        reply = await self.request("task.get", {"project": self.project_of(project), "task_id": _id(task)})
        return TaskInfo.from_json(reply["task"])

    async def list(
        self,
        *,
        project: str | None = None,
        batch_id: str | None = None,
        status: str | None = None,
        task_type: str | None = None,
        service_name: str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[TaskInfo, None]:
        """Tasks that match, newest first, page by page as they are read. project="*" is all projects."""
        chosen = self.project_of(project)
        body = {"project": None if chosen == "*" else chosen, "batch_id": batch_id, "status": status}
        body.update(task_type=task_type, service_name=service_name)
        body = {name: value for name, value in body.items() if value is not None}
        left = limit
        after: str | None = None
        while left is None or left > 0:
            page = await self.request("task.list", {**body, "limit": min(left or PAGE, PAGE), "after": after})
            for one in page["tasks"]:
                yield TaskInfo.from_json(one)
            left = None if left is None else left - len(page["tasks"])
            after = page.get("next")
            if after is None:
                return

    async def status(self, *, project: str | None = None, window_s: int | None = None) -> Status:
        """Counts, waits, throughput, health; of all projects where neither this call nor the client names one."""
        chosen = project or self.project
        body: dict[str, Any] = {} if chosen in (None, "*") else {"project": chosen}
        if window_s is not None:
            body["window_s"] = window_s
        return Status.from_json(await self.request("status", body))

    async def timeline(self, *, project: str | None = None, batch_id: str | None = None) -> Timeline:
        """For each task, in order of submission: created, ready, each try, finished."""
        body = {"project": self.project_of(project), **({"batch_id": batch_id} if batch_id else {})}
        return Timeline.from_json(await self.request("timeline", body))

    async def executable(
        self, *, project: str | None = None, task_type: str | None = None, limit: int = 20
    ) -> Sequence[Executable]:
        """The tasks that could be leased now, in order, with the terms of their scores."""
        body: dict[str, Any] = {"limit": limit, **({"task_type": task_type} if task_type else {})}
        if project:
            body["project"] = project
        return [Executable.from_json(one) for one in (await self.request("executable", body))["tasks"]]

    async def explain(self, task: str | Task, *, project: str | None = None) -> Explanation:
        """Why the task is not running, or where it stands."""
        body = {"project": self.project_of(project), "task_id": _id(task)}
        return Explanation.from_json(await self.request("explain", body))

    # ---- wait and listen

    async def wait(
        self,
        what: Submission | Names,
        *,
        project: str | None = None,
        count: Count = "all",
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> Mapping[str, Outcome]:
        """Waits until tasks have ended, however: all of them, any one, or so many. Returns how those ended.

        It outlives reconnects and restarts of anything. After `timeout` seconds: WaitTimeout, which holds what ended.
        """
        chosen = what.project if isinstance(what, Submission) else self.project_of(project)
        ids = what if isinstance(what, Submission) else _ids(what)
        return await waiting.wait(self, chosen, ids, count=count, timeout=timeout, on_event=on_event)

    async def result(self, task: str | Task, *, project: str | None = None, timeout: float | None = None) -> Any:
        """Waits for one task and returns its result; TaskEnded when it did not complete."""
        outcome = (await self.wait(task, project=project, timeout=timeout))[_id(task)]
        if not outcome.ok:
            raise TaskEnded(outcome)
        return outcome.result

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
        """Events from now on; or since "all", a datetime, a timedelta ago, or behind the position of an earlier event.

        In order for each task, each once; goes on by itself after reconnects. project="*" is all projects.
        """
        wanted = Filter(self.project_of(project), task_type, status, task_ids, batch_id)
        return Events(self.wire, wanted, since)

    async def progress(
        self, *, project: str | None = None, task_type: str | None = None
    ) -> AsyncGenerator[Progress, None]:
        """What workers tell while they work; live only, nothing keeps it."""
        subject = self.wire.subject(f"progress.{self.project_of(project)}.{task_type or '*'}")
        subscription = await self.nats.subscribe(subject)
        try:
            async for message in subscription.messages:
                yield Progress.from_json(json.loads(message.data))
        finally:
            if not self.nats.is_closed:
                await subscription.unsubscribe()

    # ---- change

    async def _command(
        self, verb: str, what: Names | None, batch_id: str | None, project: str | None, reason: str | None, **more: Any
    ) -> Sequence[Changed]:
        body: dict[str, Any] = {"project": self.project_of(project), **more}
        if batch_id is not None:
            body["batch_id"] = batch_id
        if isinstance(what, (str, Task)):
            body["task_id"] = _id(what)
        elif what is not None:
            body["task_ids"] = _ids(what)
        if reason is not None:
            body["reason"] = reason
        return [Changed.of(one) for one in (await self.request(f"task.{verb}", body))["tasks"]]

    async def cancel(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        """Cancels tasks, or a whole batch; what runs is cancelled when its worker lets go."""
        return await self._command("cancel", what, batch_id, project, reason)

    async def retry(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
        cascade: bool = False,
    ) -> Sequence[Changed]:
        """Starts ended tasks over; `cascade` takes those along that were skipped because of them."""
        return await self._command("retry", what, batch_id, project, reason, **({"cascade": True} if cascade else {}))

    async def approve(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        """Ends holds."""
        return await self._command("approve", what, batch_id, project, reason)

    async def reject(
        self,
        what: Names | None = None,
        *,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        """Cancels tasks that are on hold."""
        return await self._command("reject", what, batch_id, project, reason)

    async def update(
        self,
        what: Names | None = None,
        *,
        priority: int,
        batch_id: str | None = None,
        project: str | None = None,
        reason: str | None = None,
    ) -> Sequence[Changed]:
        """Changes the priority."""
        return await self._command("update", what, batch_id, project, reason, priority=priority)

    async def pause(self, *, task_type: str | None = None, project: str | None = None) -> None:
        """Leases no more of a type, of a project, or of a type in a project. What runs, runs on."""
        await self.request("queue.pause", _given(task_type=task_type, project=project))

    async def resume(self, *, task_type: str | None = None, project: str | None = None) -> None:
        """Takes back the same pause."""
        await self.request("queue.resume", _given(task_type=task_type, project=project))

    async def services(self, *, seconds: float = 0.5) -> Sequence[Service]:
        """Corder's services, each instance, as they answer a PING of the NATS services protocol."""
        found: list[Service] = []
        inbox = self.nats.new_inbox()
        subscription = await self.nats.subscribe(inbox)
        await self.nats.publish("$SRV.PING", b"", reply=inbox)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            while loop.time() < until:
                message = await subscription.next_msg(timeout=max(0.001, until - loop.time()))
                body = json.loads(message.data) if message.data else {}
                if str(body.get("name", "")).startswith("corder-"):
                    found.append(Service(body["name"], body["id"], body["version"], body))
        except (asyncio.TimeoutError, nats.errors.TimeoutError):
            pass
        finally:
            await subscription.unsubscribe()
        return sorted(found, key=lambda one: (one.name, one.id))


def _id(one: str | Task) -> str:
    return one.task_id if isinstance(one, Task) else one


def _ids(what: Names) -> list[str]:
    return [_id(what)] if isinstance(what, (str, Task)) else [_id(one) for one in what]


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

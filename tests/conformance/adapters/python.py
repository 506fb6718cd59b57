"""The Python client under the conformance suite: a request a line on stdin, an answer a line on stdout."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

import corder

Arguments = dict[str, Any]


def plain(value: Any) -> Any:
    """What JSON can say, with the contract's names and form of times."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value) if one.name != "raw"}
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    return value


def told(error: BaseException) -> Arguments:
    """An exception, by its kind."""
    if isinstance(error, corder.Refused):
        members = {"code": error.code, "message": error.message, "path": error.path, "tasks": error.tasks}
        return {"kind": "refused", **members}
    if isinstance(error, corder.WaitTimeout):
        return {"kind": "wait_timeout", "finished": sorted(error.finished), "unfinished": sorted(error.unfinished)}
    if isinstance(error, corder.TaskEnded):
        return {"kind": "task_ended", "status": error.outcome.status}
    kinds: list[tuple[type[BaseException], str]] = [
        (corder.Unavailable, "unavailable"),
        (corder.NoAnswer, "no_answer"),
        (corder.EventsLost, "events_lost"),
        (asyncio.TimeoutError, "wait_timeout"),
        (ValueError, "usage"),
        (TypeError, "usage"),
    ]
    for kind, name in kinds:
        if isinstance(error, kind):
            return {"kind": name, "message": str(error)}
    return {"kind": "bug", "message": f"{type(error).__name__}: {error}"}


class Script:
    """What handlers do: the steps in the task's context, one list for each attempt where it is a list of lists."""

    def __init__(self, gates: dict[str, asyncio.Event]):
        self.gates = gates
        self.runs: list[Arguments] = []

    async def handle(self, job: corder.Job) -> Any:
        steps = job.context.get("do")
        if steps is None:
            return {"inputs": job.inputs}
        if steps and isinstance(steps[0], list):
            steps = steps[min(job.attempt, len(steps)) - 1]
        for step in steps:
            if "return" in step:
                return step["return"]
            if "return_bytes" in step:
                return "x" * step["return_bytes"]
            await self.step(job, step)
        return None

    async def step(self, job: corder.Job, step: Arguments) -> None:
        if "fail" in step:
            raise corder.TaskFailed(step["fail"], retryable=step.get("retryable", True))
        if "raise" in step:
            raise RuntimeError(step["raise"])
        if "release" in step:
            raise corder.Release
        if "progress" in step:
            job.progress(step["progress"])
        if "wait_for" in step:
            await self.gate(step["wait_for"]).wait()
        if "until_cancelled" in step:
            await asyncio.Event().wait()

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    def ended(self, job: corder.Job, how: str) -> None:
        self.runs.append({"task_id": job.task_id, "attempt": job.attempt, "end": how.replace(" ", "_")})


class Adapter:
    def __init__(self) -> None:
        self._client: corder.Client | None = None
        self.watches: dict[str, corder.Events] = {}
        self.workers: dict[str, tuple[corder.Worker, asyncio.Future[None], Script]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.submissions: dict[str, corder.Submission] = {}

    @property
    def client(self) -> corder.Client:
        assert self._client is not None
        return self._client

    async def hello(self, _: Arguments) -> Any:
        return {"client": "python", "version": corder.__version__, "skips": []}

    async def connect(self, given: Arguments) -> Any:
        await self.close({})
        patience = given.get("patience_s", 30.0)
        options = {"project": given["project"], "prefix": given.get("prefix")}
        self._client = await corder.connect(given["url"], patience=patience, **options)

    async def close(self, _: Arguments) -> Any:
        for worker, running, _script in self.workers.values():
            worker.stop()
            running.cancel()
            await asyncio.wait([running])
        self.workers, self.watches, self.gates, self.submissions = {}, {}, {}, {}
        if self._client is not None:
            await self._client.close()
            self._client = None

    # ---- submit and ask

    async def submit(self, given: Arguments) -> Any:
        tasks = [corder.Task.from_json(one) if typed(one) else one for one in given["tasks"]]
        what = tasks[0] if given.get("single") else tasks
        return self.submission(await self.client.submit(what, **picked(given, "batch_id", "dry_run", "ack")))

    async def generate(self, given: Arguments) -> Any:
        return self.submission(await self.client.submit(generated(given), batch_id=given["batch_id"]))

    async def generate_work(self, given: Arguments) -> Any:
        context = {"do": given["do"]}
        kind = given["task_type"]
        tasks = [corder.Task(kind, task_id=f"w{n}", execution_context=context) for n in range(given["count"])]
        return self.submission(await self.client.submit(tasks))

    async def enqueue(self, given: Arguments) -> Any:
        tasks = given["tasks"]
        said = await self.client.enqueue(tasks[0] if given.get("single") else tasks, **picked(given, "batch_id"))
        self.submissions[said.batch_id] = said
        return {"batch_id": said.batch_id, "task_ids": said.task_ids}

    def submission(self, said: corder.Submission) -> Any:
        self.submissions[said.batch_id] = said
        listed = {"tasks": plain(said.tasks)} if said.tasks else {"task_count": len(said.task_ids)}
        return {"batch_id": said.batch_id, **listed}

    async def get(self, given: Arguments) -> Any:
        return plain(await self.client.get(given["task_id"]))

    async def list(self, given: Arguments) -> Any:
        filters = picked(given, "batch_id", "status", "task_type", "service_name", "limit")
        return {"task_ids": [info.task_id async for info in self.client.list(**filters)]}

    async def status(self, given: Arguments) -> Any:
        return plain(await self.client.status(**picked(given, "window_s")))

    async def timeline(self, given: Arguments) -> Any:
        return plain(await self.client.timeline(**picked(given, "batch_id")))

    async def executable(self, given: Arguments) -> Any:
        return {"tasks": plain(await self.client.executable(**picked(given, "task_type", "limit")))}

    async def explain(self, given: Arguments) -> Any:
        return plain(await self.client.explain(given["task_id"]))

    async def services(self, _: Arguments) -> Any:
        return {"names": sorted({one.name for one in await self.client.services()})}

    # ---- change

    async def change(self, verb: str, given: Arguments) -> Any:
        names = given.get("task_id", given.get("task_ids"))
        more = picked(given, "batch_id", "reason", "cascade", "priority")
        return {"tasks": plain(await getattr(self.client, verb)(names, **more))}

    async def pause(self, given: Arguments) -> Any:
        await self.client.pause(task_type=given.get("task_type"), project=given["project"])

    async def resume(self, given: Arguments) -> Any:
        await self.client.resume(task_type=given.get("task_type"), project=given["project"])

    # ---- wait and listen

    async def wait(self, given: Arguments) -> Any:
        what: Any = given.get("task_ids") or self.submissions[given["batch_id"]]
        outcomes = await self.client.wait(what, count=given.get("count", "all"), timeout=given.get("timeout_s"))
        return {"tasks": plain(outcomes)}

    async def watch(self, given: Arguments) -> Any:
        filters = picked(given, "task_type", "status", "task_ids", "batch_id", "since")
        events = self.client.events(**filters)
        await events.open()
        self.watches[given["name"]] = events

    async def next(self, given: Arguments) -> Any:
        events = self.watches[given["name"]]
        found = []
        for _ in range(given["count"]):
            event = await asyncio.wait_for(events.__anext__(), given.get("timeout_s", 120))
            found.append(event.to_json())
        return {"events": found}

    async def unwatch(self, given: Arguments) -> Any:
        await self.watches.pop(given["name"]).close()

    # ---- work

    async def work_start(self, given: Arguments) -> Any:
        script = Script(self.gates)
        lease = given.get("lease_ms", 30000) / 1000
        worker = corder.Worker(self.client, concurrency=given.get("concurrency", 1), lease_s=lease)
        worker.add(given["task_type"], script.handle)
        worker.on_end = script.ended
        self.workers[given["name"]] = (worker, asyncio.ensure_future(worker.run()), script)

    async def work_gate(self, given: Arguments) -> Any:
        self.gates.setdefault(given["gate"], asyncio.Event()).set()

    async def work_log(self, given: Arguments) -> Any:
        return {"runs": self.workers[given["name"]][2].runs}

    async def work_stop(self, given: Arguments) -> Any:
        worker, running, _ = self.workers[given["name"]]
        worker.stop()
        await running


def typed(task: Arguments) -> bool:
    """Cases with wrong tasks go as plain mappings: the dataclass would not take them."""
    return not task.get("wrong") and "task_type" in task


def picked(given: Arguments, *names: str) -> Arguments:
    return {name: given[name] for name in names if name in given}


def generated(given: Arguments) -> list[corder.Task]:
    chain = given.get("chain", 1)
    context = {"text": "x" * given.get("context_bytes", 0)} if given.get("context_bytes") else {}
    tasks = []
    for n in range(given["count"]):
        before = [f"g{n - 1}"] if n % chain else []
        tasks.append(corder.Task(given["task_type"], task_id=f"g{n}", dependencies=before, execution_context=context))
    return tasks


def route(adapter: Adapter, verb: str) -> Callable[[Arguments], Awaitable[Any]]:
    if verb in ("cancel", "retry", "approve", "reject", "update"):
        return lambda given: adapter.change(verb, given)
    handler: Callable[[Arguments], Awaitable[Any]] = getattr(adapter, verb)
    return handler


async def answer(adapter: Adapter, asked: Arguments) -> None:
    try:
        value = await route(adapter, asked["do"])(asked.get("with", {}))
        said = {"id": asked["id"], "ok": True, "value": value}
    except Exception as error:
        said = {"id": asked["id"], "ok": False, "error": told(error)}
    print(json.dumps(said), flush=True)


async def main() -> None:
    adapter = Adapter()
    loop = asyncio.get_running_loop()
    answering = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.ensure_future(answer(adapter, json.loads(line)))
        answering.add(task)
        task.add_done_callback(answering.discard)
    await adapter.close({})


asyncio.run(main())

"""What the tests share: a stack of real processes, a case with a project of its own, workers that hold their tasks."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import secrets
import signal
import subprocess
import tempfile
import time
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import corder
import corder.lane
from corder_langgraph import TaskQueueManager

# A worker that stops waits for the answer to its last request. Each test stops one.
corder.lane.WAIT_MS = 200

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent.parent
BIN = Path(os.environ.get("CORDER_BIN", REPOSITORY / "build/release/bin"))
SERVICES = ("ingest", "scheduler", "dispatcher", "persister", "monitor")
DEADLINE_SECONDS = 120.0


class Stack:
    """Servers and services in a folder, as `corder up` runs them: what dies is started again."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._up: subprocess.Popen[bytes] | None = None

    def start(self) -> Stack:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("wb") as log:
            command = [str(BIN / "corder"), "up", "--dir", str(self.folder / "stack")]
            self._up = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_stop_with_the_parent
            )
        until_sync("the stack is up", lambda: "In another terminal" in (self.folder / "up.log").read_text(), 300)
        return self

    def stop(self) -> None:
        if self._up is not None:
            self._up.send_signal(signal.SIGINT)
            try:
                self._up.wait(120)
            except subprocess.TimeoutExpired:
                self._up.kill()
                raise

    @property
    def environment(self) -> dict[str, str]:
        lines = (self.folder / "stack" / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def children(self) -> dict[int, str]:
        """Process id and name of everything that `corder up` runs here."""
        assert self._up is not None
        return children_of(self._up.pid)

    def kill_services(self) -> list[str]:
        """kill -9 of each of the five at once."""
        killed = []
        for pid, name in self.children().items():
            if name.removeprefix("corder-") in SERVICES:
                os.kill(pid, signal.SIGKILL)
                killed.append(name)
        return sorted(killed)


def _stop_with_the_parent() -> None:
    """A test run that is killed leaves no stack behind."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGINT)


def children_of(parent: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text()
            command = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent:
            found[int(entry.name)] = Path(command).name
    return found


def until_sync(what: str, condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
    return found


async def until(what: str, condition: Callable[[], Awaitable[Any]], seconds: float = DEADLINE_SECONDS) -> Any:
    end = time.monotonic() + seconds
    while not (found := await condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.02)
    return found


class CorderCase(unittest.IsolatedAsyncioTestCase):
    """A test with a project and a task type that nobody else has."""

    async def asyncSetUp(self) -> None:
        self.mark = secrets.token_hex(4)
        self.project = f"p-{self.mark}"
        self.task_type = f"t-{self.mark}"
        asyncio.get_running_loop().set_debug(False)
        # enterAsyncContext came with Python 3.11.
        self.opened = AsyncExitStack()
        self.addAsyncCleanup(self.opened.aclose)
        self.manager = await self.opened.enter_async_context(TaskQueueManager.connect(project=self.project))
        self.client = self.manager.client
        self.folder = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        self.done: list[str] = []

    @asynccontextmanager
    async def worker(self, **answers: Any) -> AsyncIterator[corder.Worker]:
        """Works on the case's type: each task's result is its name, or what `answers` has for it."""
        worker = corder.Worker(self.client, concurrency=8)

        @worker.task(self.task_type)
        async def handle(job: corder.Job) -> Any:
            self.done.append(job.task_id)
            name = job.task_id.partition(":")[0]
            answer = answers.get(name, {"did": name})
            if isinstance(answer, Exception):
                raise answer
            return answer

        async with worker:
            yield worker

    async def tasks(self) -> list[corder.TaskInfo]:
        """All tasks of the project, in the order in which they were made, once MySQL has them."""
        found = [info async for info in self.client.list()]
        return sorted(found, key=lambda info: str(info.raw["created_at"]))

    async def count(self, expected: int) -> list[corder.TaskInfo]:
        """Exactly so many tasks exist; a moment is given to the tables, and to one too many."""

        async def enough() -> bool:
            return len(await self.tasks()) >= expected

        await until(f"{expected} tasks in {self.project}", enough)
        await self.client.submit(
            {"task_id": "last", "task_type": f"nobody-{self.mark}"}, project=f"m-{self.mark}", ack="archived"
        )
        found = await self.tasks()
        self.assertEqual(len(found), expected, [info.task_id for info in found])
        return found

    async def program(self, main: Callable[..., None], *arguments: str, **environment: str) -> tuple[int, str]:
        """Runs a function in a process of its own until that ends; returns its exit code and what it printed.

        Forked from a server that has imported the packages already: a start takes no seconds.
        """
        told = self.folder / f"told-{secrets.token_hex(4)}"
        environment = {"CORDER_PROJECT": self.project, "TASK_TYPE": self.task_type, **environment}
        process = PROCESSES.Process(target=_in_process, args=(main, arguments, {**os.environ, **environment}, told))
        process.start()

        async def ended() -> bool:
            return not process.is_alive()

        try:
            await until(f"the end of {main.__module__} {arguments}", ended)
        finally:
            process.kill()
        process.join()
        assert process.exitcode is not None
        return process.exitcode, told.read_text().strip()


PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests_langgraph.crashing", "corder_langgraph.__main__"])


def _in_process(main: Callable[..., None], arguments: tuple[str, ...], environment: dict[str, str], told: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with told.open("w") as output, contextlib.redirect_stdout(output):
        main(*arguments)

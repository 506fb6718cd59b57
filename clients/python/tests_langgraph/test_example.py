"""The full example of the docs, once in peace, and once with kill -9 of the graph's process and of every service of
Corder, again and again: the same commits, and not one task more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import unittest
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import corder

from .run import stack
from .support import CorderCase, until, until_sync

EXAMPLE = Path(__file__).parents[3] / "docs/examples/langgraph"
SERVICES = ["billing", "catalog", "orders"]
TASKS = 2 * 3 + 2 + 1 + 3  # coding and testing, twice for one service, a review, three commits
GIT = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}


class Story:
    """One run of the example: a repository, a store of checkpoints, a project; processes that come and go."""

    def __init__(self, folder: Path, project: str):
        self.folder = folder
        self.repository = folder / "repository"
        self.gate = folder / "gate"
        self.environment = {**os.environ, **GIT, "CORDER_PROJECT": project}
        self.environment |= {"REPOSITORY": str(self.repository), "STORE": str(folder / "feature.db")}
        self.environment |= {"GATE": str(self.gate), "PYTHONUNBUFFERED": "1"}
        self.processes: list[subprocess.Popen[str]] = []
        self.repository.mkdir(parents=True)
        self.git("init", "-q")

    def git(self, *command: str) -> str:
        done = subprocess.run(
            ["git", *command], cwd=self.repository, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=EXAMPLE,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def drive(self, *more: str) -> subprocess.Popen[str]:
        return self.start("-m", "corder_langgraph", "drive", "feature:graph", "--thread", "7", *more)

    async def driven(self, *more: str) -> dict[str, Any]:
        """What the driver says in the end."""
        process = self.drive(*more)
        told, wrong = await asyncio.to_thread(process.communicate, timeout=600)
        if process.returncode not in (0, 3):
            raise AssertionError(wrong)
        report: dict[str, Any] = json.loads(told.splitlines()[-1])
        return report

    def stop(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.communicate()


BEGIN = ("--input", '{"feature": "discounts"}')


class FullExample(CorderCase):
    @contextlib.asynccontextmanager
    async def story(self, name: str) -> AsyncIterator[tuple[Story, corder.Client]]:
        project = f"{self.project}-{name}"
        story = Story(self.folder / name, project)
        try:
            async with corder.connect(project=project) as client:
                yield story, client
        finally:
            story.stop()

    async def in_peace(self) -> tuple[list[str], int]:
        async with self.story("peace") as (story, client):
            story.gate.touch()
            story.start("workers.py")
            asked = await story.driven(*BEGIN)
            self.assertEqual(asked["status"], "asks")
            [question] = asked["questions"]
            self.assertEqual(question["value"]["question"], "commit discounts?")
            self.assertEqual(story.git("rev-list", "--all"), "", "it committed before anybody said yes")
            ended = await story.driven("--answer", f'{question["id"]}="yes"')
            self.assertEqual((ended["status"], ended["questions"]), ("ended", []))
            tasks = await self.all_tasks(client)
            self.picture(client.project or "", tasks)
            return story.git("log", "--all", "--format=%H %s").splitlines(), len(tasks)

    async def killed_again_and_again(self) -> tuple[list[str], int]:
        async with self.story("trouble") as (story, client):
            story.start("workers.py")
            driver = story.drive(*BEGIN)
            await self.running(client, 3)
            self.kill(driver)
            self.assertEqual(len(stack().kill_services()), 5)
            story.gate.touch()
            # Its tasks go on while there is no graph; then a graph comes back, and dies as soon as it asks.
            asked = await story.driven()
            [question] = asked["questions"]
            self.assertEqual(len(stack().kill_services()), 5)
            driver = story.drive("--answer", f'{question["id"]}="yes"')
            await self.approved(client)
            self.kill(driver)
            self.assertEqual(len(stack().kill_services()), 5)
            ended = await story.driven()
            if ended["questions"]:
                # It died between the approval and the checkpoint: the question stands, and may be answered again.
                ended = await story.driven("--answer", f'{ended["questions"][0]["id"]}="yes"')
            self.assertEqual((ended["status"], ended["questions"]), ("ended", []))
            return story.git("log", "--all", "--format=%H %s").splitlines(), len(await self.all_tasks(client))

    async def running(self, client: corder.Client, count: int) -> None:
        async def enough() -> bool:
            found = [info async for info in client.list(status="running")]
            return len(found) >= count

        await until(f"{count} tasks run", enough)

    async def approved(self, client: corder.Client) -> None:
        async def first() -> bool:
            found = [info async for info in client.list(task_type="commit")]
            return any("approval" not in info.waits_for for info in found)

        await until("a commit is approved", first)

    def kill(self, process: subprocess.Popen[str]) -> None:
        os.kill(process.pid, signal.SIGKILL)
        until_sync("the driver is dead", lambda: process.poll() is not None)

    async def all_tasks(self, client: corder.Client) -> list[corder.TaskInfo]:
        mark = {"task_id": f"mark-{secrets.token_hex(4)}", "task_type": "nobody"}
        await client.submit(mark, project=f"m-{self.mark}", ack="archived")
        return [info async for info in client.list()]

    def picture(self, project: str, tasks: list[corder.TaskInfo]) -> None:
        """The timeline of the docs, when it is asked for."""
        wanted = os.environ.get("CORDER_DOCS_PICTURE")
        if wanted:
            command = ["corder", "timeline", "--project", project, "--batch", tasks[0].batch_id, "--svg", wanted]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    async def test_it_ends_with_the_same_commits_whatever_is_killed(self) -> None:
        stack()
        peace, trouble = await self.in_peace(), await self.killed_again_and_again()
        self.assertEqual([line.split(maxsplit=1)[1] for line in peace[0]], [f"{n}: discounts" for n in SERVICES[::-1]])
        self.assertEqual(trouble[0], peace[0], "commits, by their hashes")
        self.assertEqual((peace[1], trouble[1]), (TASKS, TASKS))


if __name__ == "__main__":
    unittest.main()

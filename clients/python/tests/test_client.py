"""Client and worker on a real stack, where the conformance suite does not look: threads, signals, the plain face."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import corder
import corder.sync
from stack import url

counter = iter(range(1000))


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.project = f"p{next(counter)}"
        self.type = f"{self.project}_t"
        self.client = await corder.connect(url(), project=self.project)

    async def asyncTearDown(self) -> None:
        await self.client.close()

    def task(self, **fields: Any) -> corder.Task:
        return corder.Task(self.type, **fields)

    async def status_is(self, task_id: str, status: str) -> None:
        async with self.client.events(task_ids=[task_id], since="all") as events:
            async for event in events:
                if event.status == status:
                    return


class Working(Case):
    async def test_functions_run_in_threads_at_once(self) -> None:
        both = threading.Barrier(2, timeout=120)
        worker = corder.Worker(self.client, concurrency=2)
        worker.add(self.type, lambda job: both.wait() >= 0)
        async with worker:
            submission = await self.client.submit([self.task(), self.task()])
            outcomes = await self.client.wait(submission, timeout=120)
        self.assertEqual([one.result for one in outcomes.values()], [True, True])

    async def test_a_thread_is_told_of_a_cancel(self) -> None:
        worker = corder.Worker(self.client, lease_s=3)

        @worker.task(self.type)
        def work(job: corder.Job) -> None:
            job.wait(60)
            job.check()

        async with worker:
            (task_id,) = (await self.client.submit(self.task())).task_ids
            await self.status_is(task_id, "running")
            await self.client.cancel(task_id)
            outcome = (await self.client.wait(task_id, timeout=120))[task_id]
        self.assertEqual(outcome.status, "cancelled")

    async def test_what_outlives_the_grace_is_given_back(self) -> None:
        worker = corder.Worker(self.client, grace_s=0.2)
        started = asyncio.Event()

        @worker.task(self.type)
        async def work(job: corder.Job) -> None:
            started.set()
            await asyncio.Event().wait()

        (task_id,) = (await self.client.submit(self.task())).task_ids
        async with worker:
            await asyncio.wait_for(started.wait(), 120)
        info = await self.client.get(task_id)
        self.assertEqual((info.status, info.retry_count), ("pending", 0))

    async def test_a_handler_that_catches_its_cancel_may_still_answer(self) -> None:
        worker = corder.Worker(self.client, grace_s=0.2)
        started = asyncio.Event()

        @worker.task(self.type)
        async def work(job: corder.Job) -> str:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "saved what there was"
            return ""

        (task_id,) = (await self.client.submit(self.task())).task_ids
        async with worker:
            await asyncio.wait_for(started.wait(), 120)
        self.assertEqual(await self.client.result(task_id, timeout=120), "saved what there was")

    async def test_a_result_that_is_no_json_is_a_failure(self) -> None:
        worker = corder.Worker(self.client)
        worker.add(self.type, lambda job: object())
        task = self.task(max_retries=0)
        async with worker:
            await self.client.submit(task)
            with self.assertRaises(corder.TaskEnded) as caught:
                await self.client.result(task.task_id, timeout=120)
        assert caught.exception.outcome.error is not None
        self.assertIn("TypeError", caught.exception.outcome.error.message)

    async def test_what_no_request_can_carry_fails_its_own_try(self) -> None:
        def nested() -> list[Any]:
            value: list[Any] = []
            for _ in range(100):
                value = [value]
            return value

        def fails(error: BaseException) -> Any:
            raise error

        bad: dict[str, Callable[[], Any]] = {
            "nul": lambda: {"a\0": 1},
            "twice": lambda: {1: "a", "1": "b"},
            "number": lambda: 10**400,
            "nested": nested,
            "half": lambda: "\ud800",
            "name": lambda: fails(FileNotFoundError("caf\udce9.txt")),
            "error": lambda: fails(corder.TaskFailed("a\0b")),
            "no text": lambda: fails(corder.TaskFailed(ValueError("odd"))),  # type: ignore[arg-type]
            "exit": lambda: fails(SystemExit(3)),
            "stray": lambda: fails(asyncio.CancelledError()),
        }
        worker = corder.Worker(self.client, concurrency=2)
        worker.add(self.type, lambda job: bad[job.context["how"]]() if "how" in job.context else "good")
        tasks = {how: self.task(execution_context={"how": how}, max_retries=0) for how in bad}
        good = self.task()
        async with worker:
            await self.client.submit([*tasks.values(), good])
            outcomes = await self.client.wait([*tasks.values(), good], timeout=120)
        for how, task in tasks.items():
            outcome = outcomes[task.task_id]
            self.assertEqual(outcome.status, "failed", how)
            assert outcome.error is not None
            self.assertEqual(outcome.error.code, "task_error", how)
        self.assertEqual(outcomes[good.task_id].result, "good")

    async def test_who_tries_again_knows_how_the_last_try_failed(self) -> None:
        worker = corder.Worker(self.client)
        errors: list[corder.TaskError | None] = []

        def fails_once(job: corder.Job) -> str:
            errors.append(job.error)
            if job.attempt == 1:
                raise ValueError("no luck")
            return "done"

        worker.add(self.type, fails_once)
        async with worker:
            (task_id,) = (await self.client.submit(self.task(retry_backoff=corder.Backoff(1, 1, 1)))).task_ids
            self.assertEqual(await self.client.result(task_id, timeout=120), "done")
        first, second = errors
        self.assertIsNone(first)
        assert second is not None
        self.assertEqual(second.code, "task_error")
        self.assertIn("no luck", second.message)

    async def test_several_types_have_lanes_of_their_own(self) -> None:
        worker = corder.Worker(self.client)
        types = [f"{self.type}{n}" for n in range(3)]
        for name in types:
            worker.add(name, lambda job: job.task_type)
        async with worker:
            tasks = [corder.Task(name) for name in types]
            outcomes = await self.client.wait(await self.client.submit(tasks), timeout=120)
        self.assertEqual([outcomes[task.task_id].result for task in tasks], types)

    async def test_settlements_travel_with_questions(self) -> None:
        """A chain through one slot: a task costs one work request, and settle is never used."""
        seen: list[str] = []

        async def count(message: Any) -> None:
            seen.append(message.subject.split(".")[2])

        for verb in ("work", "settle"):
            await self.client.nats.subscribe(f"corder.v1.{verb}.{self.type}", cb=count)
        await self.client.nats.flush()
        worker = corder.Worker(self.client)
        worker.add(self.type, lambda job: None)
        submission = await self.client.submit([self.task() for _ in range(20)])
        async with worker:
            await self.client.wait(submission, timeout=120)
            self.assertLessEqual(len(seen), 30, seen)
            self.assertNotIn("settle", seen)

    async def test_a_progress_that_is_too_large_is_the_handlers_mistake(self) -> None:
        worker = corder.Worker(self.client)
        worker.add(self.type, lambda job: job.progress(text="x" * 20_000))
        task = self.task(max_retries=0)
        async with worker:
            await self.client.submit(task)
            outcome = (await self.client.wait(task, timeout=120))[task.task_id]
        assert outcome.error is not None
        self.assertIn("16384 bytes", outcome.error.message)

    async def test_objects_that_can_be_called_are_handlers(self) -> None:
        class Greeter:
            async def __call__(self, job: corder.Job) -> str:
                return f"hello from {asyncio.current_task() is not None}"

        worker = corder.Worker(self.client)
        worker.add(self.type, Greeter())
        task = self.task()
        async with worker:
            await self.client.submit(task)
            self.assertEqual(await self.client.result(task, timeout=120), "hello from True")

    async def test_a_stop_before_the_start_counts(self) -> None:
        worker = corder.Worker(self.client)
        worker.add(self.type, lambda job: None)
        worker.stop()
        await asyncio.wait_for(worker.run(), 120)

    async def test_a_refusal_of_the_worker_itself_ends_it(self) -> None:
        worker = corder.Worker(self.client, name="no spaces")
        worker.add(self.type, lambda job: None)
        with self.assertRaises(corder.InvalidField):
            await asyncio.wait_for(worker.run(), 120)


class Asking(Case):
    async def test_nobody_there_is_told_in_time(self) -> None:
        with self.assertRaises(corder.NoAnswer):
            await corder.connect("nats://127.0.0.1:1", patience=0.5)

    async def test_what_is_told_of_a_failed_connection_holds_no_secret(self) -> None:
        with self.assertRaises(corder.NoAnswer) as caught:
            await corder.connect("nats://somebody:hidden@127.0.0.1:1", patience=0.3)
        self.assertNotIn("hidden", str(caught.exception))

    async def test_settings_may_be_files(self) -> None:
        with tempfile.NamedTemporaryFile("w") as file, mock.patch.dict(os.environ, {"CORDER_PROJECT_FILE": file.name}):
            os.environ.pop("CORDER_PROJECT", None)
            file.write("from-a-file\n")
            file.flush()
            async with corder.connect(url()) as client:
                self.assertEqual(client.project, "from-a-file")

    async def test_a_call_without_a_project_says_what_to_do(self) -> None:
        client = await corder.connect(url())
        with self.assertRaisesRegex(ValueError, "CORDER_PROJECT"):
            await client.get("a")
        await client.close()

    async def test_a_prefix_of_its_own_is_another_corder(self) -> None:
        other = await corder.connect(url(), project="p", prefix="nobody", patience=0.3)
        with self.assertRaisesRegex(corder.NoAnswer, "services running"):
            await other.submit(self.task())
        await other.close()

    async def test_a_project_that_is_none_is_told_before_anything_is_sent(self) -> None:
        with self.assertRaisesRegex(ValueError, "a project"):
            self.client.events(project="a.b")

    async def test_a_stop_in_the_middle_of_next_loses_no_event(self) -> None:
        seen = []
        async with self.client.events() as events:
            for n in range(20):
                await self.client.submit(self.task(task_id=f"t{n}"))
                coming = asyncio.ensure_future(events.__anext__())
                for _ in range(n):
                    await asyncio.sleep(0)
                coming.cancel()
                await asyncio.wait([coming])
                if not coming.cancelled():
                    seen.append(coming.result().task_id)
            while len(seen) < 20:
                seen.append((await asyncio.wait_for(events.__anext__(), 120)).task_id)
        self.assertEqual(seen, [f"t{n}" for n in range(20)])

    async def test_closing_ends_an_iteration(self) -> None:
        events = self.client.events()
        await events.open()
        coming = asyncio.ensure_future(events.__anext__())
        await asyncio.sleep(0)
        await self.client.close()
        with self.assertRaises(StopAsyncIteration):
            await asyncio.wait_for(coming, 120)

    async def test_a_break_out_of_a_wait_leaves_nothing_behind(self) -> None:
        (task_id,) = (await self.client.submit(self.task(hold=True))).task_ids
        before = len(asyncio.all_tasks())
        with self.assertRaises(corder.WaitTimeout):
            await self.client.wait(task_id, timeout=0.3)
        self.assertEqual(len(asyncio.all_tasks()), before)

    async def test_progress_is_an_iterator(self) -> None:
        worker = corder.Worker(self.client)
        go = asyncio.Event()

        @worker.task(self.type)
        async def work(job: corder.Job) -> None:
            job.progress(percent=1)
            await go.wait()

        heard = self.client.progress(task_type=self.type)
        coming = asyncio.ensure_future(heard.__anext__())
        async with worker:
            submission = await self.client.submit(self.task())
            self.assertEqual((await asyncio.wait_for(coming, 120)).progress, {"percent": 1})
            go.set()
            await self.client.wait(submission, timeout=120)
        await heard.aclose()


class WithoutAStream(unittest.IsolatedAsyncioTestCase):
    """CORDER_EVENTS_MAX_AGE=0: under a prefix that nobody serves there is no stream, and the tests speak for Corder."""

    async def asyncSetUp(self) -> None:
        self.client = await corder.connect(url(), project="p", prefix="silent", patience=1)

    async def asyncTearDown(self) -> None:
        await self.client.close()

    async def tell(self, version: int) -> None:
        names = {"event_id": f"e{version}", "project": "p", "task_id": "a", "batch_id": "", "task_type": "t"}
        rest = {"seq": version, "status": "running", "previous": "pending", "version": version, "attempt": 1}
        body = {**names, **rest, "at": "2026-01-02T03:04:05.000006Z"}
        await self.client.nats.publish("silent.v1.event.p.t.running", json.dumps(body).encode())

    async def test_live_events_are_each_seen_once_and_a_gap_is_told(self) -> None:
        async with self.client.events() as events:
            for version in (3, 3, 4, 6):
                await self.tell(version)
            self.assertEqual([(await anext(events)).version, (await anext(events)).version], [3, 4])
            with self.assertRaises(corder.EventsLost):
                await anext(events)
            last = await anext(events)
        self.assertEqual((last.version, last.position), (6, None))

    async def test_there_is_nothing_to_replay_and_that_is_said(self) -> None:
        with self.assertRaisesRegex(corder.Error, "CORDER_EVENTS_MAX_AGE"):
            await self.client.events(since="all").open()


class Plain(unittest.TestCase):
    def test_every_method_has_its_plain_one(self) -> None:
        ours = {name for name in vars(corder.sync.Client) if not name.startswith("_")}
        theirs = {name for name in vars(corder.Client) if not name.startswith("_")}
        self.assertEqual(theirs - ours, {"nats", "project_of"})

    def test_a_program_without_asyncio(self) -> None:
        with corder.sync.connect(url(), project="plain") as client:
            with client.events() as events:
                task = corder.Task("plain_t", hold=True)
                submission = client.submit(task)
                self.assertEqual(next(events).status, "blocked")
            self.assertEqual([info.task_id for info in self.listed(client, submission)], [task.task_id])
            with self.assertRaises(corder.WaitTimeout):
                client.wait(submission, timeout=0.2)
            self.assertEqual(client.reject(task)[0].status, "cancelled")
            with self.assertRaises(corder.TaskEnded):
                client.result(task.task_id, timeout=120)

    def listed(self, client: corder.sync.Client, submission: corder.Submission) -> list[corder.TaskInfo]:
        """The list comes from MySQL, which is a moment behind."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            if found := list(client.list(batch_id=submission.batch_id) if submission.batch_id else client.list()):
                return found
        return []

    def test_nobody_there_is_told_and_leaves_no_thread(self) -> None:
        before = threading.active_count()
        with self.assertRaises(corder.NoAnswer):
            corder.sync.connect("nats://127.0.0.1:1", patience=0.3)
        self.assertEqual(threading.active_count(), before)


if __name__ == "__main__":
    unittest.main()

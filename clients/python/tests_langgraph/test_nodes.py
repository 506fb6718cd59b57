"""Nodes and the manager against a real stack: what is submitted, how one waits, what the custom stream tells."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

import corder
from corder_langgraph import (
    CodingAgentState,
    MissingManager,
    TaskQueueManager,
    submit_and_wait_node,
    submit_node,
    wait_node,
)

from .support import CorderCase


def graph_of(*nodes: Any, state: Any = CodingAgentState, context: Any = TaskQueueManager) -> Any:
    graph = StateGraph(state, context_schema=context)
    before = START
    for number, node in enumerate(nodes):
        graph.add_node(f"n{number}", node)
        graph.add_edge(before, f"n{number}")
        before = f"n{number}"
    return graph


class Submitting(CorderCase):
    async def test_names_become_ids_and_dependencies_follow(self) -> None:
        def work(state: Any) -> Any:
            return [
                {"task_id": "plan", "task_type": self.task_type, "priority": 9},
                corder.Task(self.task_type, task_id="code", dependencies=[corder.Dependency("plan")]),
                corder.Task(self.task_type, dependencies=[corder.Dependency("code", "failed")]),
                {"task_type": self.task_type, "dependencies": ["earlier", {"task_id": "plan", "when": "finished"}]},
            ]

        await self.client.submit({"task_id": "earlier", "task_type": self.task_type})
        values = await graph_of(submit_node(work)).compile().ainvoke({}, context=self.manager)
        base = next(iter(values["pending_tasks"])).partition(":")[2]
        self.assertEqual(list(values["pending_tasks"]), [f"{name}:{base}" for name in ("plan", "code", "2", "3")])
        self.assertEqual([one["status"] for one in values["pending_tasks"].values()], ["pending"] + ["blocked"] * 3)
        self.assertEqual(values["pending_tasks"][f"plan:{base}"]["priority"], 9)
        last = await self.client.get(f"3:{base}")
        edges = [(edge.task_id, edge.when) for edge in last.dependencies]
        self.assertEqual(edges, [("earlier", "completed"), (f"plan:{base}", "finished")])
        edge = (await self.client.get(f"2:{base}")).dependencies[0]
        self.assertEqual((edge.task_id, edge.when), (f"code:{base}", "failed"))

    async def test_graphs_of_the_client_are_submitted_as_they_are_drawn(self) -> None:
        def work(state: Any) -> Any:
            plan, code, test = (corder.Task(self.task_type) for _ in range(3))
            return plan >> [code, test]

        async with self.worker():
            node = submit_and_wait_node(work)
            values = await graph_of(node).compile().ainvoke({}, context=self.manager)
        self.assertEqual(self.done[0].partition(":")[0], "0")
        self.assertEqual(len(values["completed_tasks"]), 3)

    async def test_all_tasks_of_a_thread_are_one_batch(self) -> None:
        def work(state: Any) -> Any:
            return {"task_type": self.task_type}

        graph = graph_of(submit_node(work), submit_node(work)).compile(checkpointer=InMemorySaver())
        batches = set()
        for thread in ("one", "one", "two"):
            values = await graph.ainvoke(
                {"task_execution_log": []}, {"configurable": {"thread_id": thread}}, context=self.manager
            )
            reference = values["task_queue_manager"]
            self.assertEqual((reference["project"], reference["prefix"]), (self.project, "corder"))
            batches.add(reference["batch_id"])
        self.assertEqual(len(batches), 2)
        tasks = await self.count(6)
        self.assertEqual({task.batch_id for task in tasks}, batches)

    async def test_two_submissions_of_one_node_are_two(self) -> None:
        async def node(state: CodingAgentState, runtime: Runtime[TaskQueueManager]) -> dict[str, Any]:
            for _ in range(2):
                await runtime.context.submit_task_batch({"task_type": self.task_type})
            await asyncio.gather(
                runtime.context.submit_task_batch({"task_type": self.task_type}, key="a"),
                runtime.context.submit_task_batch({"task_type": self.task_type}, key="b"),
                runtime.context.submit_task_batch({"task_type": self.task_type}, key="b"),
            )
            return {}

        await (
            graph_of(node)
            .compile(checkpointer=InMemorySaver())
            .ainvoke({"task_execution_log": []}, {"configurable": {"thread_id": "1"}}, context=self.manager)
        )
        await self.count(4)

    async def test_outside_of_a_graph_ids_stay_as_they_are(self) -> None:
        batch = await self.manager.submit_task_batch([{"task_id": "mine", "task_type": self.task_type}])
        self.assertEqual((batch.task_ids, batch.repeated), ({"mine": "mine"}, False))
        again = await self.manager.submit_task_batch([{"task_id": "mine", "task_type": self.task_type}])
        self.assertTrue(again.repeated)
        with self.assertRaises(corder.Conflict):
            await self.manager.submit_task_batch([{"task_id": "mine", "task_type": self.task_type, "priority": 1}])

    async def test_what_corder_refuses_is_raised_in_the_node(self) -> None:
        def work(state: Any) -> Any:
            return {"task_type": self.task_type, "priority": 11}

        with self.assertRaises(corder.InvalidField) as caught:
            await graph_of(submit_node(work)).compile().ainvoke({}, context=self.manager)
        self.assertIn("priority", caught.exception.path or "")

    async def test_nonsense_is_refused_before_anything_is_sent(self) -> None:
        for work, wrong in (([], "there is no task"), ([{"task_id": "a"}, {"task_id": "a"}], "are called 'a'")):
            node = submit_node(lambda _, w=work: w)  # type: ignore[misc]
            with self.assertRaisesRegex(ValueError, wrong):
                await graph_of(node).compile().ainvoke({}, context=self.manager)
        with self.assertRaisesRegex(ValueError, "count"):
            wait_node(count=0)
        with self.assertRaisesRegex(ValueError, "how"):
            wait_node(how="sleep")  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "timeout"):
            wait_node(how="interrupt", timeout=1)

    async def test_a_graph_without_a_manager_says_what_it_needs(self) -> None:
        graph = graph_of(wait_node()).compile()
        with self.assertRaisesRegex(MissingManager, "context=manager"):
            await graph.ainvoke({})

    async def test_a_context_of_ones_own_may_hold_the_manager(self) -> None:
        @dataclass
        class Own:
            task_queue_manager: TaskQueueManager
            user: str

        def work(state: Any) -> Any:
            return {"task_type": self.task_type}

        graph = graph_of(submit_node(work), context=Own).compile()
        values = await graph.ainvoke({}, context=Own(self.manager, "ada"))
        self.assertEqual(len(values["pending_tasks"]), 1)
        values = (
            await graph_of(submit_node(work), context=None)
            .compile()
            .ainvoke({}, context={"task_queue_manager": self.manager})
        )
        self.assertEqual(len(values["pending_tasks"]), 1)


class Waiting(CorderCase):
    def work(self, state: Any) -> Any:
        return [{"task_id": name, "task_type": self.task_type} for name in ("a", "b", "c")]

    async def test_for_any_and_for_some(self) -> None:
        cases: list[tuple[Any, int]] = [("any", 1), (2, 2), (9, 3)]
        for count, least in cases:
            held = asyncio.Event()
            worker = corder.Worker(self.client, concurrency=8)

            @worker.task(self.task_type)
            async def handle(job: corder.Job, least: int = least, held: asyncio.Event = held) -> None:
                if "abc".index(job.task_id[0]) >= least:
                    await held.wait()

            async with worker:
                node = submit_and_wait_node(self.work, count=count, collect=lambda ended: {"ended": list(ended)})
                graph = graph_of(node, wait_node(), state=Ended).compile()
                steps = []
                async for part in graph.astream({}, context=self.manager, stream_mode="values"):
                    if part["completed_tasks"]:
                        steps.append(part)
                        held.set()
                self.assertEqual(len(steps[0]["completed_tasks"]), least)
                self.assertEqual([one["task_id"][0] for one in steps[0]["ended"]], list("abc")[:least])
                self.assertEqual(len(steps[1]["completed_tasks"]), 3)
                self.assertEqual((steps[1]["pending_tasks"], steps[1]["running_tasks"]), ({}, {}))

    async def test_a_timeout_says_what_has_not_ended(self) -> None:
        graph = graph_of(submit_and_wait_node(self.work, timeout=0.3)).compile()
        with self.assertRaises(corder.WaitTimeout) as caught:
            await graph.ainvoke({}, context=self.manager)
        self.assertEqual(len(caught.exception.unfinished), 3)

    async def test_events_and_progress_come_on_the_custom_stream(self) -> None:
        worker = corder.Worker(self.client)
        listening = asyncio.Event()

        @worker.task(self.task_type)
        async def handle(job: corder.Job) -> None:
            await listening.wait()
            while not any(told["type"] == "corder.progress" for told in stream):
                job.progress(percent=50, message="half")
                await asyncio.sleep(0.05)

        stream: list[Any] = []
        graph = graph_of(submit_and_wait_node(lambda _: {"task_type": self.task_type})).compile()

        async def listen() -> None:
            async for told in graph.astream({}, context=self.manager, stream_mode="custom"):
                stream.append(told)

        async with worker:
            running = asyncio.create_task(listen())
            async with self.client.events(since="all") as events:
                async for event in events:
                    if event.status == "running":
                        break
            listening.set()
            await asyncio.wait_for(running, 120)
        told = next(one for one in stream if one["type"] == "corder.progress")
        self.assertEqual((told["percent"], told["message"]), (50, "half"))
        self.assertEqual([one["status"] for one in stream if one["type"] == "corder.event"][-1], "completed")

    async def test_a_failed_try_is_in_the_log_and_the_task_in_the_end_in_one_place(self) -> None:
        tries: list[int] = []
        worker = corder.Worker(self.client)

        @worker.task(self.task_type)
        async def handle(job: corder.Job) -> str:
            tries.append(job.attempt)
            if job.attempt == 1:
                raise corder.TaskFailed("not yet")
            return "done"

        def work(state: Any) -> Any:
            backoff = {"initial_ms": 10, "factor": 1, "max_ms": 10}
            return {"task_type": self.task_type, "retry_backoff": backoff}

        async with worker:
            values = await graph_of(submit_and_wait_node(work)).compile().ainvoke({}, context=self.manager)
        self.assertEqual(tries, [1, 2])
        statuses = [event["status"] for event in values["task_execution_log"]]
        self.assertEqual(statuses, ["pending", "running", "retry", "pending", "running", "completed"])
        [record] = values["completed_tasks"].values()
        self.assertEqual((record["result"], record["attempt"], record["version"]), ("done", 2, 6))

    async def test_a_wait_for_nothing_is_over(self) -> None:
        hows: list[Any] = ["block", "interrupt"]
        for how in hows:
            graph = graph_of(wait_node(how=how)).compile()
            values = await graph.ainvoke({}, context=self.manager)
            self.assertEqual(values["completed_tasks"], {})

    async def test_it_works_with_invoke_too(self) -> None:
        graph = graph_of(submit_and_wait_node(self.work), wait_node()).compile()

        def plainly() -> Any:
            with TaskQueueManager.threaded(project=self.project) as manager:
                return graph.invoke({}, context=manager)

        async with self.worker():
            values = await asyncio.to_thread(plainly)
        self.assertEqual(len(values["completed_tasks"]), 3)

    async def test_invoke_inside_of_the_managers_own_loop_is_refused(self) -> None:
        graph = graph_of(submit_node(self.work)).compile()
        with self.assertRaisesRegex(RuntimeError, "use ainvoke"):
            graph.invoke({}, context=self.manager)


class Ended(CodingAgentState, total=False):
    ended: list[Any]


class Manager(CorderCase):
    async def test_the_methods_of_its_first_design(self) -> None:
        batch = await self.manager.submit_task_batch(
            [
                {"task_id": "low", "task_type": self.task_type, "priority": 2},
                {"task_id": "high", "task_type": self.task_type, "priority": 8, "execution_context": {"a": 1}},
                {"task_id": "after", "task_type": self.task_type, "dependencies": ["low"]},
            ]
        )
        executable = await self.manager.get_executable_tasks(self.task_type)
        self.assertEqual([task["task_id"] for task in executable], ["high", "low"])
        self.assertGreater(executable[0]["score"], executable[1]["score"])
        leased = await self.manager.get_next_executable_batch(5, self.task_type)
        self.assertEqual([task.task_id for task in leased], ["high", "low"])
        self.assertEqual(leased[0].context, {"a": 1})
        self.assertEqual((await self.manager.get_queue_status())["running_count"], 2)
        self.assertFalse(await leased[0].renew(progress={"percent": 1}))
        self.assertEqual(await leased[0].complete({"ok": True}), "completed")
        self.assertEqual(await leased[1].release(), "pending")
        [low] = await self.manager.get_next_executable_batch(1, self.task_type, wait_s=5)
        with self.assertRaises(corder.StaleLease):
            await leased[1].complete()
        self.assertEqual(await low.fail("cannot", retryable=False), "failed")
        seen = await self.manager.observe(batch.task_ids.values())
        ended = {one: ["high", "low", "after"].index(one) for one in seen.finished}
        self.assertEqual(sorted(ended), ["after", "high", "low"])
        await self.count(3)
        timeline = await self.manager.get_task_timeline(batch.batch_id)
        statuses = {one["task_id"]: one["status"] for one in timeline}
        self.assertEqual(statuses, {"low": "failed", "high": "completed", "after": "skipped"})
        status = await self.manager.get_queue_status()
        for name in ("pending_count", "running_count", "completed_count", "failed_count", "queue_health"):
            self.assertIn(name, status)

    async def test_an_observation_reads_only_what_the_log_has_not(self) -> None:
        await self.manager.submit_task_batch({"task_id": "t", "task_type": self.task_type})
        first = await self.manager.observe(["t"])
        self.assertEqual([event["status"] for event in first.events], ["pending"])
        self.assertEqual((await self.manager.observe(["t"], first.events)).events, [])
        async with self.worker():
            await self.client.wait("t", timeout=120)
        then = await self.manager.observe(["t"], first.events)
        self.assertEqual([event["status"] for event in then.events], ["running", "completed"])
        self.assertGreater(then.position or 0, first.position or 0)

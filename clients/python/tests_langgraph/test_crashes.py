"""The table of crash points: wherever a graph, or the queue, is stopped, each task is submitted once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, interrupt

import corder
from corder_langgraph import (
    CodingAgentState,
    Driver,
    TaskQueueManager,
    Wait,
    open_interrupts,
    questions,
    submit_and_wait_node,
    submit_node,
    wait_node,
)
from corder_langgraph.position import PositionError

from . import crashing
from .support import CorderCase

NAMES = ["plan", "check", "a", "b", "c"]


class Killed(CorderCase):
    """The graph's process is killed, and started again on the same store and thread."""

    async def runs(self, how: str, **environment: str) -> tuple[int, str]:
        code, told = await self.program(crashing.main, str(self.folder / "store.db"), self.mark, how, **environment)
        self.assertIn(code, (0, -9))
        return code, told

    async def dies_and_goes_on(self, how: str, *points: str, **environment: str) -> None:
        async with self.worker():
            for point in points:
                code, _ = await self.runs(how, CRASH=point, **environment)
                self.assertEqual(code, -9, f"it was not killed at {point}")
            code, told = await self.runs(how, **environment)
            self.assertEqual(code, 0)
            self.assertEqual(json.loads(told), [{"did": name} for name in NAMES])
        await self.count(len(NAMES))
        self.assertEqual(len(self.done), len(NAMES), "a task ran twice")

    async def test_before_submit(self) -> None:
        await self.dies_and_goes_on("block", "before-submit-1", "before-submit-1")

    async def test_after_submit_and_before_the_checkpoint(self) -> None:
        await self.dies_and_goes_on("block", "after-submit-1", "after-submit-1")

    async def test_after_submit_with_asynchronous_checkpoints(self) -> None:
        await self.dies_and_goes_on("block", "after-submit-1", "after-submit-2", DURABILITY="async")

    async def test_in_the_middle_of_a_fan_out(self) -> None:
        await self.dies_and_goes_on("block", "after-submit-3", "before-submit-2")

    async def test_while_waiting_in_the_node(self) -> None:
        code, _ = await self.runs("block", CRASH="while-waiting")
        self.assertEqual(code, -9)
        await self.dies_and_goes_on("block")

    async def test_while_a_driver_waits(self) -> None:
        await self.dies_and_goes_on("drive", "after-submit-1", "after-submit-2")


class Stopped(CorderCase):
    """The graph runs here; what stops is something else, or nothing but the waiting."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        crashing.TASK_TYPE = self.task_type
        self.saver = await self.opened.enter_async_context(AsyncSqliteSaver.from_conn_string(":memory:"))
        self.config: RunnableConfig = {"configurable": {"thread_id": self.mark}}

    def graph(self, how: str) -> Any:
        return crashing.build(how).compile(checkpointer=self.saver)

    async def start(self, graph: Any, given: Any = None) -> list[Any]:
        """Runs as far as it goes and returns the interrupts."""
        begin = {"services": ["a", "b", "c"]} if given is None else given
        await graph.ainvoke(begin, self.config, context=self.manager)
        return list((await graph.aget_state(self.config)).interrupts)

    async def before(self, graph: Any, node: str) -> Any:
        """The thread's first checkpoint from which this node runs."""
        history = [state async for state in graph.aget_state_history(self.config)]
        return next(state for state in reversed(history) if node in state.next)

    async def ended(self, task_ids: list[str]) -> None:
        await self.client.wait(task_ids, timeout=120)

    async def test_event_before_subscription(self) -> None:
        """Everything has ended before anybody waits: the node sees it and does not wait."""
        graph = self.graph("interrupt")
        async with self.worker():
            await graph.ainvoke({"services": []}, self.config, context=self.manager, interrupt_before=["wait"])
            pending = (await graph.aget_state(self.config)).values["pending_tasks"]
            await self.ended(list(pending))
            values = await graph.ainvoke(None, self.config, context=self.manager)
        self.assertNotIn("__interrupt__", values)
        self.assertEqual(values["results"], [{"did": "plan"}, {"did": "check"}])
        self.assertEqual([values["pending_tasks"], values["running_tasks"]], [{}, {}])

    async def test_event_twice(self) -> None:
        """An event that the stream holds twice, and late, is in the log once and moves nothing back."""
        graph = self.graph("interrupt")
        wait = (await self.start(graph, {"services": []}))[0]
        async with self.client.events(since="all") as events:
            first = await anext(events)
            async with self.worker():
                await self.ended(wait.value["task_ids"])
            subject = self.client.wire.subject(f"event.{first.project}.{first.task_type}.{first.status}")
            body = json.dumps(first.raw).encode()
            await self.client.nats.jetstream().publish(subject, body, headers={"Nats-Msg-Id": f"again-{self.mark}"})
        values = await graph.ainvoke(Command(resume={wait.id: None}), self.config, context=self.manager)
        log = [(event["task_id"], event["version"]) for event in values["task_execution_log"]]
        self.assertEqual(len(log), len(set(log)))
        self.assertEqual(len(log), 7, "three events of the first task, four of the second")
        self.assertEqual(sorted(values["completed_tasks"]), sorted(wait.value["task_ids"]))
        self.assertEqual(values["pending_tasks"], {})

    async def test_partial_resume_of_many(self) -> None:
        """One of three branches is resumed; the others wait on, submitted once."""
        graph = self.graph("interrupt")
        first = await self.start(graph)
        async with self.worker():
            await self.ended(first[0].value["task_ids"])
            await graph.ainvoke(Command(resume={first[0].id: None}), self.config, context=self.manager)
            waits = list((await graph.aget_state(self.config)).interrupts)
            for wait in waits:
                await self.ended(wait.value["task_ids"])
                await graph.ainvoke(Command(resume={wait.id: {"finished": []}}), self.config, context=self.manager)
        state = await graph.aget_state(self.config)
        self.assertEqual(state.next, ())
        self.assertEqual([result["did"] for result in state.values["results"]], NAMES)
        await self.count(len(NAMES))
        self.assertEqual(len(self.done), len(NAMES))

    async def test_woken_for_nothing(self) -> None:
        """A resume before the tasks have ended makes the node wait again."""
        graph = self.graph("interrupt")
        first = (await self.start(graph))[0]
        await graph.ainvoke(Command(resume={first.id: "go on!"}), self.config, context=self.manager)
        again = (await graph.aget_state(self.config)).interrupts[0]
        self.assertEqual(again.value["task_ids"], first.value["task_ids"])
        async with self.worker():
            state = await Driver(graph, self.manager).run(self.mark)
        self.assertEqual([result["did"] for result in state.values["results"]], NAMES)
        await self.count(len(NAMES))

    async def test_a_question_next_to_a_wait(self) -> None:
        """One step asks a human and waits for a task: the driver drives the wait, once, and leaves the question."""
        graph = StateGraph(crashing.State, context_schema=TaskQueueManager)
        work = submit_and_wait_node(lambda _: {"task_id": "plan", "task_type": self.task_type}, how="interrupt")
        graph.add_node("work", work).add_edge(START, "work")
        graph.add_node("ask", lambda _: {"results": [interrupt("ship it?")]}).add_edge(START, "ask")
        compiled = graph.compile(checkpointer=self.saver)
        self.assertEqual(len(await self.start(compiled, {"services": []})), 2)
        async with self.worker():
            state = await Driver(compiled, self.manager).run(self.mark)
        self.assertEqual([one.value for one in questions(state)], ["ship it?"])
        self.assertEqual(open_interrupts(state), questions(state))

    async def test_retry_of_the_node(self) -> None:
        """A node that submits and then fails is retried by LangGraph; its tasks are those of its first try."""
        tries: list[list[str]] = []

        async def submit(state: CodingAgentState, runtime: Runtime[TaskQueueManager]) -> dict[str, Any]:
            first = await runtime.context.submit_task_batch({"task_type": self.task_type})
            second = await runtime.context.submit_task_batch({"task_type": self.task_type})
            tries.append([*first.task_ids.values(), *second.task_ids.values()])
            if len(tries) < 3:
                raise ConnectionError("the network")
            return {}

        graph = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
        graph.add_node("submit", submit, retry_policy=RetryPolicy(initial_interval=0.01, jitter=False))
        compiled = graph.add_edge(START, "submit").compile(checkpointer=self.saver)
        await compiled.ainvoke({}, self.config, context=self.manager)
        self.assertEqual(tries, [tries[0]] * 3)
        await self.count(2)

    async def test_replay(self) -> None:
        """Invoked again from an earlier checkpoint, it comes to the same tasks, at the first step and behind it."""
        graph = self.graph("block")
        async with self.worker():
            before = await graph.ainvoke({"services": ["a", "b", "c"]}, self.config, context=self.manager)
            for step in ("submit", "code", "submit"):
                start = await self.before(graph, step)
                after = await graph.ainvoke(None, start.config, context=self.manager)
                self.assertEqual(after["results"], before["results"])
                self.assertEqual(after["completed_tasks"], before["completed_tasks"])
        await self.count(len(NAMES))
        self.assertEqual(len(self.done), len(NAMES))

    async def test_replay_that_asks_for_something_else(self) -> None:
        """A replay that goes another way makes new tasks from there on."""
        wanted = "first"
        graph = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
        graph.add_node("one", submit_node(lambda _: {"task_type": self.task_type, "execution_context": {"do": wanted}}))
        graph.add_node("two", submit_node(lambda _: {"task_type": self.task_type}))
        compiled: Any = graph.add_edge(START, "one").add_edge("one", "two").compile(checkpointer=self.saver)
        await compiled.ainvoke({}, self.config, context=self.manager)
        start = await self.before(compiled, "one")
        await self.count(2)
        wanted = "second"
        for _ in range(2):
            values = await compiled.ainvoke(None, start.config, context=self.manager)
        self.assertEqual(len(values["pending_tasks"]), 2)
        await self.count(6)

    async def test_fork(self) -> None:
        """A changed state on an earlier checkpoint is another story, with tasks of its own; so is a copy of it."""
        graph = self.graph("block")
        async with self.worker():
            await graph.ainvoke({"services": ["a"]}, self.config, context=self.manager)
            await self.count(3)
            start = await anext(
                state async for state in graph.aget_state_history(self.config) if "submit" in state.next
            )
            fork = await graph.aupdate_state(start.config, {"services": ["a"]})
            await graph.ainvoke(None, fork, context=self.manager)
            await self.count(6)
            copy = await graph.aupdate_state(start.config, None, as_node="__copy__")
            await graph.ainvoke(None, copy, context=self.manager)
            await self.count(9)

    async def test_a_step_that_submits_something_else_when_it_runs_again(self) -> None:
        """What this step submitted first counts, as its checkpoint is the same."""
        asked: list[int] = []

        def build(state: Any) -> Any:
            asked.append(1)
            return {"task_type": self.task_type, "execution_context": {"time": len(asked)}}

        graph = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
        node = submit_and_wait_node(build, how="interrupt")
        compiled: Any = graph.add_node("code", node).add_edge(START, "code").compile(checkpointer=self.saver)
        await compiled.ainvoke({}, self.config, context=self.manager)
        async with self.worker():
            state = await Driver(compiled, self.manager).run(self.mark)
        self.assertEqual(len(state.values["completed_tasks"]), 1)
        self.assertGreater(len(asked), 1)
        await self.count(1)

    async def test_durability_exit_is_refused_without_a_key(self) -> None:
        graph = self.graph("block")
        with self.assertRaisesRegex(PositionError, "give the submission a key"):
            await graph.ainvoke({"services": []}, self.config, context=self.manager, durability="exit")
        await self.count(0)

    async def test_durability_exit_with_a_key(self) -> None:
        graph = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
        node = submit_node(lambda _: {"task_type": self.task_type}, key="order 7")
        compiled: Any = graph.add_node("submit", node).add_edge(START, "submit").compile(checkpointer=self.saver)
        for _ in range(2):
            await compiled.ainvoke({}, self.config, context=self.manager, durability="exit")
        await self.count(1)

    async def test_in_a_subgraph(self) -> None:
        """The inner graph waits, its step runs again, and a retry of the outer node begins the inner one anew."""
        tries: list[int] = []

        def flaky(state: Any) -> dict[str, Any]:
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionError("the network")
            return {}

        for saver in (None, False):
            with self.subTest(checkpointer=saver):
                self.config = {"configurable": {"thread_id": f"{self.mark}-{saver}"}}
                tries.clear()
                inner = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
                # Nothing is saved of a subgraph without checkpoints, so that a retry looks like a second call.
                key = "" if saver is None else "only"
                inner.add_node("submit", submit_node(lambda _: {"task_type": self.task_type}, key=key))
                inner.add_node("flaky", flaky)
                inner.add_edge(START, "submit").add_edge("submit", "flaky")
                outer = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
                policy = RetryPolicy(initial_interval=0.01, jitter=False)
                outer.add_node("inner", inner.compile(checkpointer=saver), retry_policy=policy)
                outer.add_node("wait", wait_node())
                compiled: Any = (
                    outer.add_edge(START, "inner").add_edge("inner", "wait").compile(checkpointer=self.saver)
                )
                async with self.worker():
                    values = await compiled.ainvoke({}, self.config, context=self.manager)
                self.assertEqual(len(tries), 2)
                self.assertEqual(len(values["completed_tasks"]), 1)
                self.assertEqual(values["pending_tasks"], {})
        await self.count(2)


class QueueRestarted(CorderCase):
    async def test_all_five_services_are_killed_while_a_graph_waits(self) -> None:
        """Once in each way of waiting. The node and the driver wait on; nothing is submitted twice or lost."""
        from .run import stack

        crashing.TASK_TYPE = self.task_type
        saver = await self.opened.enter_async_context(AsyncSqliteSaver.from_conn_string(":memory:"))

        async def drive() -> Any:
            graph = crashing.build("interrupt").compile(checkpointer=saver)
            return (await Driver(graph, self.manager).run("drive", {"services": ["a", "b", "c"]})).values

        async def block() -> Any:
            config: Any = {"configurable": {"thread_id": "block"}}
            graph: Any = crashing.build("block").compile(checkpointer=saver)
            return await graph.ainvoke({"services": ["a", "b", "c"]}, config, context=self.manager)

        both = asyncio.gather(drive(), block())
        await self.count(4)
        killed = stack().kill_services()
        self.assertEqual(len(killed), 5)
        async with self.worker():
            for values in await both:
                self.assertEqual([result["did"] for result in values["results"]], NAMES)
        await self.count(2 * len(NAMES))
        self.assertEqual(len(self.done), 2 * len(NAMES))


class Interrupts(CorderCase):
    async def test_the_value_of_an_interrupt_is_all_that_another_program_needs(self) -> None:
        wait = Wait.of(self.manager, ["a", "b"], "any", "batch")
        self.assertEqual(Wait.from_json(json.loads(json.dumps(wait.to_json(7)))), wait)
        self.assertIsNone(Wait.from_json("may I?"))
        self.assertIsNone(Wait.from_json({"type": "question"}))

    async def test_a_failed_task_ends_a_wait_too(self) -> None:
        crashing.TASK_TYPE = self.task_type
        saver = await self.opened.enter_async_context(AsyncSqliteSaver.from_conn_string(":memory:"))
        graph = crashing.build("interrupt").compile(checkpointer=saver)
        async with self.worker(plan=corder.TaskFailed("no idea", retryable=False)):
            state = await Driver(graph, self.manager).run(self.mark, {"services": []})
        failed = {record["task_id"].partition(":")[0]: record for record in state.values["failed_tasks"].values()}
        self.assertEqual(
            {name: record["status"] for name, record in failed.items()}, {"plan": "failed", "check": "skipped"}
        )
        self.assertEqual(failed["plan"]["error"]["message"], "no idea")
        self.assertEqual(failed["check"]["because"], failed["plan"]["task_id"])

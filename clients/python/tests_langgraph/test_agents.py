"""The tool in the hands of an agent, and graphs as workers. The models are fakes that always say the same."""

from __future__ import annotations

import asyncio
import json
import operator
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from typing_extensions import TypedDict

import corder
from corder_langgraph import CodingAgentState, Driver, TaskQueueManager, graph_handler, submit_tasks_tool, thread_of

from .support import CorderCase


class Chat(CodingAgentState, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


class Plain(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


class Tool(CorderCase):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.saver = await self.opened.enter_async_context(AsyncSqliteSaver.from_conn_string(":memory:"))
        self.config: Any = {"configurable": {"thread_id": self.mark}}

    def asked(self, *calls: Any) -> AIMessage:
        return AIMessage(
            "", tool_calls=[{"name": "submit_tasks", "args": args, "id": f"call-{n}"} for n, args in enumerate(calls)]
        )

    def agent(self, first: AIMessage, state: Any = Chat, **options: Any) -> Any:
        model = FakeMessagesListChatModel(responses=[first, AIMessage("That is all.")])
        graph = StateGraph(state, context_schema=TaskQueueManager)
        graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
        graph.add_node("tools", ToolNode([submit_tasks_tool(**options)]))
        graph.add_edge(START, "model").add_conditional_edges("model", tools_condition).add_edge("tools", "model")
        return graph.compile(checkpointer=self.saver)

    def two(self) -> dict[str, Any]:
        tasks = [
            {"name": "code", "task_type": self.task_type, "service_name": "auth"},
            {"name": "test", "task_type": self.task_type, "dependencies": ["code"]},
        ]
        return {"tasks": tasks}

    async def test_an_agent_submits_and_sees_what_it_submitted(self) -> None:
        agent = self.agent(self.asked(self.two(), {"tasks": [{"name": "code", "task_type": self.task_type}]}))
        values = await agent.ainvoke({"messages": ["go"]}, self.config, context=self.manager)
        answers = [json.loads(str(one.content)) for one in values["messages"] if isinstance(one, ToolMessage)]
        self.assertEqual([sorted(answer) for answer in answers], [["code", "test"], ["code"]])
        self.assertEqual(answers[0]["test"]["status"], "blocked")
        self.assertEqual(len(values["pending_tasks"]), 3)
        self.assertEqual(values["messages"][-1].content, "That is all.")
        await self.count(3)

    async def test_it_may_wait_in_both_ways(self) -> None:
        for wait in ("block", "interrupt"):
            agent = self.agent(self.asked(self.two()), wait=wait)
            async with self.worker():
                driver = Driver(agent, self.manager)
                state = await driver.run(f"{self.mark}-{wait}", {"messages": ["go"]})
            answer = json.loads(next(m for m in state.values["messages"] if isinstance(m, ToolMessage)).text)
            self.assertEqual(
                {name: one["status"] for name, one in answer.items()}, {"code": "completed", "test": "completed"}
            )
            self.assertEqual(answer["test"]["result"], {"did": "test"})
            self.assertEqual(len(state.values["completed_tasks"]), 2)
        await self.count(4)

    async def test_the_same_call_run_again_submits_nothing_new(self) -> None:
        agent = self.agent(self.asked(self.two()))
        await agent.ainvoke({"messages": ["go"]}, self.config, context=self.manager)
        history = [state async for state in agent.aget_state_history(self.config)]
        before = next(state for state in history if state.next == ("tools",))
        await agent.ainvoke(None, before.config, context=self.manager)
        await self.count(2)

    async def test_an_agent_with_a_state_of_its_own_gets_the_answer_alone(self) -> None:
        agent = self.agent(self.asked(self.two()), state=Plain)
        values = await agent.ainvoke({"messages": ["go"]}, self.config, context=self.manager)
        self.assertEqual(sorted(values), ["messages"])
        self.assertEqual(len(json.loads(values["messages"][2].content)), 2)

    async def test_a_type_that_is_not_offered_is_refused_to_the_agent(self) -> None:
        agent = self.agent(self.asked(self.two()), task_types=["coding"])
        with self.assertRaisesRegex(ValueError, "there are no workers for .*: use coding"):
            await agent.ainvoke({"messages": ["go"]}, self.config, context=self.manager)
        await self.count(0)


class Draft(TypedDict, total=False):
    file: str
    inputs: dict[str, Any]
    steps: Annotated[list[str], operator.add]


class GraphAsWorker(CorderCase):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.saver = await self.opened.enter_async_context(AsyncSqliteSaver.from_conn_string(":memory:"))
        self.ran: list[str] = []

    def step(self, name: str, act: Any = None) -> Any:
        async def node(state: Draft) -> Any:
            self.ran.append(name)
            if act is not None:
                await act()
            return {"steps": [name]}

        return node

    def graph(self, **acts: Any) -> Any:
        graph: Any = StateGraph(Draft)
        before = START
        for name in ("think", "write", "polish"):
            graph.add_node(name, self.step(name, acts.get(name))).add_edge(before, name)
            before = name
        return graph.compile(checkpointer=acts.get("saver", self.saver))

    async def work(self, graph: Any, **options: Any) -> corder.Outcome:
        """One task through a worker that is this graph."""
        worker = corder.Worker(self.client, lease_s=2)
        worker.task(self.task_type)(graph_handler(graph, **options))
        backoff = {"initial_ms": 10, "factor": 1, "max_ms": 10}
        task = {"task_id": "t", "task_type": self.task_type, "retry_backoff": backoff}
        await self.client.submit({**task, "execution_context": {"file": "auth.c"}})
        async with worker:
            return (await self.client.wait("t", timeout=120))["t"]

    async def test_context_in_result_out(self) -> None:
        outcome = await self.work(self.graph())
        self.assertEqual(outcome.result, {"file": "auth.c", "steps": ["think", "write", "polish"]})

    async def test_a_graph_without_checkpoints_works_too(self) -> None:
        outcome = await self.work(self.graph(saver=None), to_result=lambda state: state["steps"][-1])
        self.assertEqual(outcome.result, "polish")

    async def test_results_of_dependencies_are_its_inputs(self) -> None:
        worker = corder.Worker(self.client)
        worker.task(self.task_type)(graph_handler(self.graph(saver=None), to_result=lambda state: state["inputs"]))

        @worker.task(f"{self.task_type}-first")
        async def first(job: corder.Job) -> int:
            return 7

        await self.client.submit(
            [
                {"task_id": "a", "task_type": f"{self.task_type}-first"},
                {"task_id": "b", "task_type": self.task_type, "dependencies": ["a"]},
            ]
        )
        async with worker:
            self.assertEqual(await self.client.result("b", timeout=120), {"a": 7})

    async def test_a_second_try_goes_on_where_the_first_stopped(self) -> None:
        async def fails_once() -> None:
            if self.ran.count("write") == 1:
                raise ConnectionError("the network")

        outcome = await self.work(self.graph(write=fails_once))
        self.assertEqual((outcome.status, outcome.attempt), ("completed", 2))
        self.assertEqual(self.ran, ["think", "write", "write", "polish"])
        self.assertEqual(outcome.result["steps"], ["think", "write", "polish"])

    async def test_a_result_that_was_not_told_is_told_by_the_next_try(self) -> None:
        graph = self.graph()
        told: list[Any] = []

        def result(state: Any) -> Any:
            told.append(1)
            if len(told) == 1:
                raise ConnectionError("the network")
            return state["steps"]

        outcome = await self.work(graph, to_result=result)
        self.assertEqual((outcome.result, outcome.attempt), (["think", "write", "polish"], 2))
        self.assertEqual(self.ran, ["think", "write", "polish"])

    async def test_a_cancel_stops_it_in_the_middle(self) -> None:
        started, stopped = asyncio.Event(), asyncio.Event()

        async def hangs() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        working = asyncio.create_task(self.work(self.graph(write=hangs)))
        await asyncio.wait_for(started.wait(), 120)
        await self.client.cancel("t")
        self.assertEqual((await working).status, "cancelled")
        self.assertTrue(stopped.is_set())
        self.assertNotIn("polish", self.ran)

    async def test_what_it_does_is_progress(self) -> None:
        heard: list[Any] = []

        async def listen() -> None:
            async for told in self.client.progress(task_type=self.task_type):
                heard.append(told.progress)

        async def heard_of_it() -> None:
            while not any(one.get("message") == "think" for one in heard):
                await asyncio.sleep(0.02)

        listening = asyncio.create_task(listen())
        await self.client.nats.flush()
        await asyncio.sleep(0)
        await self.work(self.graph(write=heard_of_it))
        listening.cancel()
        self.assertIn("think", [one.get("message") for one in heard])

    async def test_a_graph_that_asks_fails_for_good_unless_somebody_answers(self) -> None:
        async def asks() -> None:
            self.ran.append(interrupt("which one?"))

        outcome = await self.work(self.graph(write=asks))
        self.assertEqual((outcome.status, outcome.attempt), ("failed", 1))
        self.assertIn("which one?", outcome.error.message if outcome.error else "")

    async def test_a_question_is_answered_by_the_one_who_runs_it(self) -> None:
        async def asks() -> None:
            self.ran.append(interrupt("which one?"))

        async def answer(job: corder.Job, asked: list[Any]) -> dict[str, Any]:
            return {one.id: f"{one.value} {thread_of(job)}" for one in asked}

        outcome = await self.work(self.graph(write=asks), on_interrupt=answer)
        self.assertEqual(outcome.status, "completed")
        self.assertIn(f"which one? corder:{self.project}:t", self.ran)

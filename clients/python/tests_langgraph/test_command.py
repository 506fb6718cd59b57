"""corder-langgraph drive, as a program on a real store."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from corder_langgraph import CodingAgentState, TaskQueueManager, submit_and_wait_node
from corder_langgraph.__main__ import main

from .support import CorderCase


@asynccontextmanager
async def graph() -> AsyncIterator[Any]:
    """One task, then a question."""
    builder: Any = StateGraph(CodingAgentState, context_schema=TaskQueueManager)
    node = submit_and_wait_node(lambda _: {"task_type": os.environ["TASK_TYPE"]}, how="interrupt")
    builder.add_node("work", node)
    builder.add_node("ask", lambda _: {"task_queue_manager": {"batch_id": interrupt("enough?")}})
    builder.add_edge(START, "work").add_edge("work", "ask")
    async with AsyncSqliteSaver.from_conn_string(os.environ["STORE"]) as saver:
        yield builder.compile(checkpointer=saver)


def drive(*arguments: str) -> None:
    sys.exit(main(["drive", *arguments]))


def wrongly(*arguments: str) -> None:
    with contextlib.redirect_stderr(sys.stdout):
        drive(*arguments)


GRAPH = "tests_langgraph.test_command:graph"


class Command(CorderCase):
    async def runs(self, run: Any, *arguments: str) -> tuple[int, str]:
        return await self.program(run, *arguments, STORE=str(self.folder / "store.db"))

    async def test_it_drives_threads_until_they_ask_and_takes_the_answer(self) -> None:
        async with self.worker():
            code, told = await self.runs(drive, GRAPH, "--thread", "1", "--thread", "2", "--input", "{}")
        reports = [json.loads(line) for line in told.splitlines()]
        self.assertEqual(code, 3)
        self.assertEqual(sorted(report["thread"] for report in reports), ["1", "2"])
        self.assertEqual([report["status"] for report in reports], ["asks", "asks"])
        [question] = next(report for report in reports if report["thread"] == "1")["questions"]
        self.assertEqual(question["value"], "enough?")
        code, told = await self.runs(drive, GRAPH, "--thread", "1", "--answer", f'{question["id"]}="yes"')
        self.assertEqual((code, json.loads(told)["status"]), (0, "ended"))
        # What has ended stays as it is.
        code, told = await self.runs(drive, GRAPH, "--thread", "1", "--input", "{}")
        self.assertEqual((code, json.loads(told)["status"]), (0, "ended"))
        await self.count(2)

    async def test_it_finds_all_threads_that_wait(self) -> None:
        os.environ.update(STORE=str(self.folder / "store.db"), TASK_TYPE=self.task_type)
        async with graph() as compiled:
            for thread in ("a", "b"):
                await compiled.ainvoke(
                    {"task_queue_manager": {}}, {"configurable": {"thread_id": thread}}, context=self.manager
                )
        async with self.worker():
            code, told = await self.runs(drive, GRAPH, "--all-threads")
        self.assertEqual(code, 3)
        self.assertEqual(sorted(json.loads(line)["thread"] for line in told.splitlines()), ["a", "b"])
        code, told = await self.runs(drive, GRAPH, "--all-threads")
        self.assertEqual((code, told), (0, ""), "they wait for somebody else now")

    async def test_wrong_use_is_told(self) -> None:
        for arguments, wrong in (
            ([GRAPH], "which thread?"),
            (["nothing", "--thread", "1"], "is not MODULE:NAME"),
            (["nothing:here", "--thread", "1"], "there is no nothing:here"),
            ([GRAPH, "--thread", "1", "--input", "{"], "this is no JSON"),
        ):
            code, told = await self.runs(wrongly, *arguments)
            self.assertNotIn(code, (0, 3))
            self.assertIn(wrong, told)

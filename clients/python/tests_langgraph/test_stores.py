"""The same story on every store of checkpoints that the servers at hand allow: SQLite in a file, MariaDB."""

from __future__ import annotations

import asyncio
import os
import unittest
import warnings
from typing import Any
from urllib.parse import urlparse

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from corder_langgraph import Driver, TaskQueueManager
from corder_langgraph.position import origins

from . import crashing
from .support import CorderCase

NAMES = ["plan", "check", "a", "b", "c"]


class Stores(CorderCase):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        crashing.TASK_TYPE = self.task_type

    async def story(self, saver: Any) -> None:
        """Driven by interrupts, then replayed, then forked."""
        graph = crashing.build("interrupt").compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": self.mark}}
        async with self.worker():
            driver = Driver(graph, self.manager)
            first = await driver.run(self.mark, {"services": ["a", "b", "c"]})
            self.assertEqual([result["did"] for result in first.values["results"]], NAMES)
            await self.count(5)
            history = [state async for state in graph.aget_state_history(config)]
            start = next(state for state in history if "submit" in state.next)
            await graph.ainvoke(None, start.config, context=self.manager)
            replayed = await driver.run(self.mark)
            self.assertEqual(replayed.values["completed_tasks"], first.values["completed_tasks"])
            self.assertEqual(len({*origins([one async for one in saver.alist(config)]).values()}), len(history))
            await self.count(5)
            fork = await graph.aupdate_state(start.config, {"services": ["a"]})
            await graph.ainvoke(None, fork, context=self.manager)
            forked = await driver.run(self.mark)
            self.assertEqual(len(forked.values["completed_tasks"]), 3)
        await self.count(8)

    async def test_sqlite(self) -> None:
        async with AsyncSqliteSaver.from_conn_string(str(self.folder / "store.db")) as saver:
            await self.story(saver)

    async def test_sqlite_without_asyncio(self) -> None:
        def plainly() -> Any:
            manager = TaskQueueManager.threaded(project=self.project)
            with SqliteSaver.from_conn_string(":memory:") as saver, manager as context:
                graph = crashing.build("block").compile(checkpointer=saver)
                config: Any = {"configurable": {"thread_id": self.mark}}
                return graph.invoke({"services": ["a", "b", "c"]}, config, context=context)

        async with self.worker():
            values = await asyncio.to_thread(plainly)
        self.assertEqual([result["did"] for result in values["results"]], NAMES)

    async def test_mariadb(self) -> None:
        try:
            from langgraph.checkpoint.mysql.aio import AIOMySQLSaver
        except ImportError as error:
            raise unittest.SkipTest(f"langgraph-checkpoint-mysql: {error}") from None
        url = urlparse(os.environ["DATABASE_URL"])
        # aiomysql makes a warning of every table that is there already.
        warnings.simplefilter("ignore")
        async with AIOMySQLSaver.from_conn_string(url.geturl()) as saver:
            await saver.setup()
            await self.story(saver)

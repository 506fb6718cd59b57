"""Drives a graph whose nodes wait by interrupt: runs it, waits for the tasks in the graph's place, resumes it by the
interrupts' ids. It keeps nothing of its own: started again, after a crash too, it goes on from the checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt, StateSnapshot

import corder

from .manager import TaskQueueManager
from .waits import Wait, has_ended, open_interrupts

PATIENCE_SECONDS = 5.0


@dataclass
class Driver:
    """One driver a thread at a time: two would run its steps twice (and still submit once).

    graph    compiled with a checkpointer
    manager  becomes the runtime context, unless `context` is given
    """

    graph: Any
    manager: TaskQueueManager
    context: Any = None
    durability: str = "sync"
    _waiting: dict[str, asyncio.Task[list[str]]] = field(default_factory=dict, init=False, repr=False)

    async def run(self, thread_id: str, input: Any = None, config: RunnableConfig | None = None) -> StateSnapshot:
        """Runs a thread until it ends or only others' interrupts are left, say questions for a human.

        input  begins the thread, if it has not begun; a Command(resume=…) answers those questions
        """
        config = {**(config or {})}
        config["configurable"] = {**config.get("configurable", {}), "thread_id": thread_id}
        try:
            state = await self.graph.aget_state(config)
            if isinstance(input, Command) or (input is not None and not state.values and not state.next):
                await self._invoke(input, config)
                state = await self.graph.aget_state(config)
            return await self._drive(state, config)
        finally:
            await self._stop()

    async def _drive(self, state: StateSnapshot, config: RunnableConfig) -> StateSnapshot:
        while not has_ended(state):
            asked = open_interrupts(state)
            waits = {one.id: wait for one in asked if (wait := Wait.from_json(one.value))}
            if waits:
                await self._invoke(Command(resume=await self._ready(waits)), config)
            elif asked:
                break
            else:
                # It was stopped between two steps.
                await self._invoke(None, config)
            state = await self.graph.aget_state(config)
        return state

    async def _invoke(self, input: Any, config: RunnableConfig) -> None:
        await self.graph.ainvoke(input, config, context=self.context or self.manager, durability=self.durability)

    async def _ready(self, waits: dict[str, Wait]) -> dict[str, Any]:
        """Waits until one of the waits is over, and takes along all that are over by then."""
        for interrupt_id in [one for one in self._waiting if one not in waits]:
            self._waiting.pop(interrupt_id).cancel()
        for interrupt_id, wait in waits.items():
            if interrupt_id not in self._waiting:
                self._waiting[interrupt_id] = asyncio.create_task(self._finished(wait))
        await asyncio.wait(self._waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        over = [interrupt_id for interrupt_id, task in self._waiting.items() if task.done()]
        return {interrupt_id: {"finished": self._waiting.pop(interrupt_id).result()} for interrupt_id in over}

    async def _finished(self, wait: Wait) -> list[str]:
        """Nobody waits for an answer of this, so that it outlives any outage."""
        while True:
            try:
                done = await self.manager.client.wait(wait.task_ids, project=wait.project, count=wait.count)
                return sorted(done)
            except corder.NoAnswer:
                if self.manager.client.nats.is_closed:
                    raise
                await asyncio.sleep(PATIENCE_SECONDS)

    async def _stop(self) -> None:
        tasks, self._waiting = list(self._waiting.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def questions(state: StateSnapshot) -> list[Interrupt]:
    """The interrupts of a state that do not wait for tasks: those that somebody has to answer."""
    return [one for one in open_interrupts(state) if Wait.from_json(one.value) is None]


async def waiting_threads(checkpointer: Any) -> list[str]:
    """The threads of a store whose last checkpoint stands on an interrupt that waits for tasks."""
    seen: dict[str, bool] = {}
    async for one in checkpointer.alist(None):
        settings = one.config["configurable"]
        if settings.get("checkpoint_ns") or settings["thread_id"] in seen:
            continue
        raised = (value for _, channel, value in one.pending_writes or () if channel == "__interrupt__")
        seen[settings["thread_id"]] = any(_has_wait(value) for value in raised)
    return [thread_id for thread_id, waits in seen.items() if waits]


def _has_wait(raised: Iterable[Interrupt]) -> bool:
    return any(Wait.from_json(one.value) is not None for one in raised)

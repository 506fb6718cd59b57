"""A graph as a worker: each task of a type is a thread of a LangGraph graph, and the graph's end is the task's result.

The thread is named by the task, so that a second try goes on from the first one's last checkpoint, on whatever machine
the checkpoint store is reached from.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt, StateSnapshot

import corder

from .waits import has_ended, open_interrupts

ToInput = Callable[[corder.Job], Any]
ToResult = Callable[[Any], Any]
OnInterrupt = Callable[[corder.Job, list[Interrupt]], Awaitable[dict[str, Any]]]
Handler = Callable[[corder.Job], Awaitable[Any]]


def context_as_input(job: corder.Job) -> dict[str, Any]:
    """The task's execution_context, and the results of its dependencies as `inputs` where there are some."""
    return {**job.context, **({"inputs": job.inputs} if job.inputs else {})}


def whole_state(values: Any) -> Any:
    return dict(values) if isinstance(values, Mapping) else values


def thread_of(job: corder.Job) -> str:
    """The thread in which a task is done, whatever the try."""
    return f"corder:{job.project}:{job.task_id}"


def graph_handler(
    graph: Any,
    *,
    to_input: ToInput = context_as_input,
    to_result: ToResult = whole_state,
    context: Any = None,
    on_interrupt: OnInterrupt | None = None,
    config: RunnableConfig | None = None,
) -> Handler:
    """A handler for `worker.task(type)`: `worker.task("coding")(graph_handler(graph, to_result=lambda s: s["patch"]))`.

    Each finished node, and whatever nodes write to the custom stream as a dict with percent or message, becomes
    progress. A cancel stops the graph between two awaits. What a node raises fails the try, and the next try goes on
    where this one stopped, given a checkpointer; corder.TaskFailed says whether there is to be one.

    on_interrupt  answers the graph's interrupts by their ids; without it, a graph that asks fails the task for good
    """

    async def handle(job: corder.Job) -> Any:
        settings = {**(config or {}).get("configurable", {}), "thread_id": thread_of(job)}
        own: RunnableConfig = {**(config or {}), "configurable": settings}
        state = await _state(graph, own)
        begun = state is not None and (state.next or state.values)
        given: Any = None if begun else to_input(job)
        if state is not None and begun and has_ended(state):
            return to_result(state.values)
        values: Any = None
        while True:
            values = await _run(graph, job, given, own, context, checkpointed=state is not None)
            state = await _state(graph, own)
            if state is None or has_ended(state):
                return to_result(values if state is None else state.values)
            given = await _answers(job, state, on_interrupt)

    return handle


async def _state(graph: Any, config: RunnableConfig) -> StateSnapshot | None:
    """None when the graph keeps no checkpoints."""
    if not getattr(graph, "checkpointer", None):
        return None
    state: StateSnapshot = await graph.aget_state(config)
    return state


async def _run(
    graph: Any, job: corder.Job, given: Any, config: RunnableConfig, context: Any, *, checkpointed: bool
) -> Any:
    """Runs the graph as far as it goes. Sync durability: what was done is saved before it is built upon."""
    options: dict[str, Any] = {"durability": "sync"} if checkpointed else {}
    values: Any = None
    async for mode, part in graph.astream(
        given, config, context=context, stream_mode=["updates", "custom", "values"], **options
    ):
        if mode == "values":
            values = part
        elif mode == "updates":
            for node in part:
                if not node.startswith("__"):
                    job.progress(message=node)
        elif isinstance(part, Mapping):
            _tell(job, part)
    return values


def _tell(job: corder.Job, part: Mapping[str, Any]) -> None:
    """Progress is for looking at: what cannot be told is left out, and fails nothing."""
    told = {name: part[name] for name in ("percent", "message") if name in part}
    if "message" in told:
        told["message"] = str(told["message"])[:4000]
    if told:
        with contextlib.suppress(TypeError, ValueError):
            job.progress(**told)


async def _answers(job: corder.Job, state: StateSnapshot, on_interrupt: OnInterrupt | None) -> Any:
    asked = open_interrupts(state)
    if not asked:
        # A breakpoint that the graph was compiled with: nothing is asked, it just goes on.
        await asyncio.sleep(0)
        return None
    if on_interrupt is None:
        questions = "; ".join(str(one.value) for one in asked)
        raise corder.TaskFailed(f"the graph asks, and nobody here answers: {questions}", retryable=False)
    return Command(resume=await on_interrupt(job, asked))

"""A graph that is killed at a named point: CRASH says where. Its program, run again on the same store, goes on.

Prints "waits" when it ended by interrupt, else the results.
"""

from __future__ import annotations

import asyncio
import json
import operator
import os
import signal
from collections.abc import Callable
from typing import Annotated, Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from corder_langgraph import CodingAgentState, Driver, TaskQueueManager, submit_and_wait_node, submit_node, wait_node

TASK_TYPE = ""


class State(CodingAgentState, total=False):
    services: list[str]
    results: Annotated[list[Any], operator.add]


def die(point: str) -> None:
    if os.environ.get("CRASH") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def planned(state: State) -> list[dict[str, Any]]:
    return [
        {"task_id": "plan", "task_type": TASK_TYPE},
        {"task_id": "check", "task_type": TASK_TYPE, "dependencies": ["plan"]},
    ]


def coded(branch: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": branch["service"], "task_type": TASK_TYPE, "service_name": branch["service"]}


def fan_out(state: State) -> list[Send]:
    return [Send("code", {"service": service}) for service in state["services"]]


def collected(records: list[Any]) -> dict[str, Any]:
    return {"results": [record.get("result") for record in records]}


def build(how: Any) -> StateGraph[Any, Any, Any, Any]:
    """Two tasks in order, then one a service side by side: submitted here, waited for there, and both in one node."""
    graph = StateGraph(State, context_schema=TaskQueueManager)
    graph.add_node("submit", submit_node(planned))
    graph.add_node("wait", wait_node(how=how, collect=collected))
    graph.add_node("code", submit_and_wait_node(coded, how=how, collect=collected))
    graph.add_edge(START, "submit").add_edge("submit", "wait").add_conditional_edges("wait", fan_out, ["code"])
    return graph


def crash_around(manager: TaskQueueManager) -> None:
    """Dies before or after the Nth submission that Corder answers."""
    submit: Callable[..., Any] = manager.client.submit
    counted = 0

    async def submitting(*arguments: Any, **options: Any) -> Any:
        nonlocal counted
        number = counted = counted + 1
        die(f"before-submit-{number}")
        answer = await submit(*arguments, **options)
        die(f"after-submit-{number}")
        return answer

    wait: Callable[..., Any] = manager.client.wait

    async def waiting(*arguments: Any, **options: Any) -> Any:
        task = asyncio.ensure_future(wait(*arguments, **options))
        if os.environ.get("CRASH") == "while-waiting":
            # Long enough for it to be under way; its tasks have no worker yet.
            await asyncio.wait({task}, timeout=0.5)
            die("while-waiting")
        return await task

    manager.client.submit = submitting  # type: ignore[method-assign]
    manager.client.wait = waiting  # type: ignore[method-assign]


def main(store: str, thread: str, how: str) -> None:
    global TASK_TYPE
    TASK_TYPE = os.environ["TASK_TYPE"]
    asyncio.run(run(store, thread, how))


async def run(store: str, thread: str, how: str) -> None:
    async with AsyncSqliteSaver.from_conn_string(store) as saver, TaskQueueManager.connect() as manager:
        crash_around(manager)
        config: Any = {"configurable": {"thread_id": thread}}
        begin = {"services": ["a", "b", "c"]}
        if how == "drive":
            state = await Driver(build("interrupt").compile(checkpointer=saver), manager).run(thread, begin)
            print(json.dumps(state.values["results"]), flush=True)
            return
        graph = build(how).compile(checkpointer=saver)
        durability: Any = os.environ.get("DURABILITY", "sync")
        begun = (await graph.aget_state(config)).next
        async for part in graph.astream(
            None if begun else begin,
            config,
            context=manager,
            stream_mode="updates",
            durability=durability,
        ):
            if "__interrupt__" in part:
                print("waits", flush=True)
                return
        print(json.dumps((await graph.aget_state(config)).values["results"]), flush=True)

"""A graph that has a feature built: it plans, has each service coded and tested, sends back what failed, has the whole
reviewed, asks a human, and commits. The work is done by workers.py; between its steps nothing of this has to run.

Driven by `corder-langgraph drive feature:graph --thread 7 --input '{"feature": "discounts"}'`; STORE names the file of
its checkpoints.
"""

import json
import operator
import os
from contextlib import asynccontextmanager
from typing import Annotated, Any

from langchain_core.language_models import FakeListChatModel
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send, interrupt

from corder_langgraph import CodingAgentState, TaskQueueManager, submit_and_wait_node, submit_node, wait_node

# In place of a model that costs money: it always has the same plan.
model = FakeListChatModel(responses=['{"services": ["billing", "catalog", "orders"]}'])


class Feature(CodingAgentState, total=False):
    feature: str
    services: list[str]
    built: Annotated[list[dict[str, Any]], operator.add]
    approved: bool


def plan(state: Feature) -> dict[str, Any]:
    answer = model.invoke(f"Which services does {state['feature']} touch?")
    return {"services": json.loads(str(answer.content))["services"]}


def to_code(state: Feature) -> list[Send]:
    return [Send("code", {"service": name, "feature": state["feature"], "draft": 1}) for name in state["services"]]


def coding_and_testing(branch: dict[str, Any]) -> list[dict[str, Any]]:
    service = branch["service"]
    return [
        {"task_id": f"code-{service}", "task_type": "coding", "service_name": service, "execution_context": branch},
        {"task_id": f"test-{service}", "task_type": "testing", "service_name": service, "execution_context": branch,
         "dependencies": [f"code-{service}"], "max_retries": 0, "priority": 7},
    ]  # fmt: skip


def tested(records: list[Any]) -> dict[str, Any]:
    test = records[-1]
    return {"built": [{"service": test["service_name"], "passed": test["status"] == "completed"}]}


def after_tests(state: Feature) -> Any:
    """Review is for what passed its tests. What did not is written again; twice is enough."""
    passed = {one["service"] for one in state["built"] if one["passed"]}
    failed = [name for name in state["services"] if name not in passed]
    if not failed:
        return "review"
    if len(state["built"]) > len(state["services"]):
        return END
    return [Send("code", {"service": name, "feature": state["feature"], "draft": 2}) for name in failed]


def review(state: Feature) -> dict[str, Any]:
    return {
        "task_id": "review",
        "task_type": "review",
        "priority": 8,
        "execution_context": {"services": state["services"]},
    }


def commits(state: Feature) -> list[dict[str, Any]]:
    """One commit a service, in order; none runs before somebody has approved it."""
    return [
        {"task_id": f"commit-{name}", "task_type": "commit", "service_name": name, "hold": True,
         "dependencies": [f"commit-{before}"] if before else [], "concurrency_key": "repository",
         "execution_context": {"service": name, "message": f"{name}: {state['feature']}"}}
        for before, name in zip([None, *state["services"]], state["services"])
    ]  # fmt: skip


async def ask(state: Feature, runtime: Runtime[TaskQueueManager]) -> Command[Any]:
    """A human may take days: meanwhile the commits are tasks on hold, for all to see."""
    held = sorted(state["pending_tasks"])
    answer = interrupt({"question": f"commit {state['feature']}?", "tasks": held})
    client = runtime.context.client
    if answer == "yes":
        await client.approve(held, reason="a human said yes")
    else:
        await client.reject(held, reason="a human said no")
    return Command(update={"approved": answer == "yes"}, goto="finish")


def build() -> StateGraph[Feature, TaskQueueManager, Feature, Feature]:
    graph = StateGraph(Feature, context_schema=TaskQueueManager)
    graph.add_node("plan", plan)
    graph.add_node("code", submit_and_wait_node(coding_and_testing, how="interrupt", collect=tested))
    graph.add_node("gate", lambda state: {})
    graph.add_node("review", submit_and_wait_node(review, how="interrupt"))
    graph.add_node("commit", submit_node(commits))
    graph.add_node("ask", ask, destinations=("finish",))
    graph.add_node("finish", wait_node(how="interrupt"))
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", to_code, ["code"])
    graph.add_edge("code", "gate")
    graph.add_conditional_edges("gate", after_tests, ["code", "review", END])
    graph.add_edge("review", "commit").add_edge("commit", "ask")
    return graph


@asynccontextmanager
async def graph() -> Any:
    """What the driver opens: the graph on its store of checkpoints."""
    async with AsyncSqliteSaver.from_conn_string(os.environ.get("STORE", "feature.db")) as saver:
        yield build().compile(checkpointer=saver)

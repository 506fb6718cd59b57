"""A tool with which an agent gives work to Corder. What it submits belongs to the tool call: the same call, run again
after a crash or for a retry, submits nothing new."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import ToolRuntime
from langgraph.types import Command, interrupt
from pydantic import BaseModel, Field

from .manager import TaskBatch, TaskQueueManager, manager_of
from .observing import Observation
from .records import TaskRecord, canonical
from .reducers import updates
from .waits import Wait, enough

DESCRIPTION = """Submit tasks to the task queue, where workers do them. Tasks depend on each other by their names.
They run as soon as their dependencies allow it, the most urgent first."""


class TaskRequest(BaseModel):
    """One task."""

    name: str = Field(description="A short name, unique in this call; other tasks depend on it by this name.")
    task_type: str = Field(description="The kind of work: coding, testing, review, commit, or another.")
    service_name: str = Field(default="", description="The service that the task works on.")
    priority: int = Field(default=5, ge=1, le=10, description="10 is the most urgent.")
    dependencies: list[str] = Field(
        default_factory=list,
        description="Names in this call, or ids of earlier tasks, that must complete first.",
    )
    execution_context: dict[str, Any] = Field(default_factory=dict, description="What the worker needs to know.")
    hold: bool = Field(default=False, description="True: a human has to approve the task before it runs.")

    def body(self) -> dict[str, Any]:
        return {"task_id": self.name, **self.model_dump(exclude={"name"}, exclude_defaults=True)}


class SubmitTasks(BaseModel):
    """The tool's arguments."""

    tasks: list[TaskRequest] = Field(min_length=1)


def submit_tasks_tool(
    *,
    name: str = "submit_tasks",
    description: str = DESCRIPTION,
    wait: Literal["no", "block", "interrupt"] = "no",
    task_types: Collection[str] | None = None,
) -> BaseTool:
    """A tool for ToolNode and agents, whose graph runs with a TaskQueueManager as its context.

    wait        "no": the answer names the tasks; otherwise it tells how they ended
    task_types  the only ones that the agent may ask for
    """

    async def submit(tasks: list[TaskRequest], runtime: ToolRuntime[Any, Any]) -> Command[Any]:
        manager = manager_of(runtime.config)
        refused = sorted({task.task_type for task in tasks} - set(task_types)) if task_types is not None else []
        if refused:
            raise ValueError(
                f"there are no workers for {', '.join(refused)}: use {', '.join(sorted(task_types or ()))}"
            )
        key = f"call:{runtime.tool_call_id}"
        batch = await manager.on_loop(
            manager.submit_task_batch([task.body() for task in tasks], key=key, config=runtime.config)
        )
        if wait == "no":
            return _answer(runtime, manager, batch, None)
        return _answer(runtime, manager, batch, await _ended(manager, batch, wait))

    return StructuredTool.from_function(coroutine=submit, name=name, description=description, args_schema=SubmitTasks)


async def _ended(manager: TaskQueueManager, batch: TaskBatch, wait: str) -> Observation:
    ids = list(batch.task_ids.values())
    if wait == "block":
        await manager.on_loop(manager.client.wait(ids, project=manager.project))
    seen = await manager.on_loop(manager.observe(ids))
    while not enough("all", len(seen.finished), len(ids)):
        interrupt(Wait.of(manager, ids, "all", batch.batch_id).to_json(seen.position))
        seen = await manager.on_loop(manager.observe(ids))
    return seen


def _answer(
    runtime: ToolRuntime[Any, Any], manager: TaskQueueManager, batch: TaskBatch, seen: Observation | None
) -> Command[Any]:
    records = {record["task_id"]: record for record in reversed(seen.records if seen else batch.records)}
    told = {name: _told(records[task_id]) for name, task_id in batch.task_ids.items()}
    message = ToolMessage(content=canonical(told), tool_call_id=runtime.tool_call_id or "")
    changes = updates([*batch.records, *(seen.records if seen else ())], seen.events if seen else ())
    known = set(changes) | {"task_queue_manager"}
    state = {**changes, "task_queue_manager": manager.reference(batch.batch_id)}
    return Command(update={**{key: state[key] for key in known if _has(runtime.state, key)}, "messages": [message]})


def _has(state: Any, key: str) -> bool:
    """An agent whose state is not a CodingAgentState gets the answer alone."""
    return key in state if isinstance(state, dict) else hasattr(state, key)


def _told(record: TaskRecord) -> dict[str, Any]:
    return {name: record[name] for name in ("task_id", "status", "result", "error") if name in record}

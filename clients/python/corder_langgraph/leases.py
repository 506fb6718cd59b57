"""Tasks that a graph leases and works on itself. A worker process does better: see worker.py and corder.Worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import corder
from corder.ids import new_id


@dataclass(frozen=True)
class LeasedTask:
    """A task under a lease. Settle it before `task["lease_until"]`, or renew."""

    task: dict[str, Any]
    worker: str
    client: corder.Client

    @property
    def task_id(self) -> str:
        return str(self.task["task_id"])

    @property
    def context(self) -> dict[str, Any]:
        """The execution_context."""
        return dict(self.task.get("execution_context") or {})

    async def complete(self, result: Any = None) -> str:
        """Ends the task; returns its status. Raises StaleLease when the lease is another's by now."""
        return await self._settle({"outcome": "completed", "result": result})

    async def fail(self, message: str, *, retryable: bool = True) -> str:
        """Ends the try."""
        return await self._settle({"outcome": "failed", "error": {"message": message, "retryable": retryable}})

    async def release(self) -> str:
        """Gives it back; no try is spent."""
        return await self._settle({"outcome": "released"})

    async def renew(self, lease_s: float = 60.0, progress: dict[str, Any] | None = None) -> bool:
        """Keeps the lease. True: somebody cancelled the task, so let go of it."""
        lease: dict[str, Any] = self._name()
        if progress is not None:
            lease["progress"] = progress
        body = {"worker": self.worker, "lease_ms": int(lease_s * 1000), "leases": [lease]}
        answer = (await self.client.request(f"renew.{self.task['task_type']}", body))["leases"][0]
        if not answer["ok"]:
            raise corder.Refused.from_json(answer["error"])
        return bool(answer.get("cancel"))

    def _name(self) -> dict[str, Any]:
        return {name: self.task[name] for name in ("project", "task_id", "lease")}

    async def _settle(self, outcome: dict[str, Any]) -> str:
        body = {"worker": self.worker, "done": [{**self._name(), **outcome}]}
        answer = (await self.client.request(f"settle.{self.task['task_type']}", body))["done"][0]
        if not answer["ok"]:
            raise corder.Refused.from_json(answer["error"])
        return str(answer["status"])


async def lease(
    client: corder.Client, task_type: str, limit: int, *, worker: str, lease_s: float, wait_s: float
) -> list[LeasedTask]:
    """Up to so many tasks, of whatever project. The request's id makes a repetition get the same ones."""
    body = {
        "worker": worker,
        "max": limit,
        "wait_ms": int(wait_s * 1000),
        "lease_ms": int(lease_s * 1000),
        "request_id": new_id(),
    }
    reply = await client.request(f"work.{task_type}", body)
    return [LeasedTask(task, worker, client) for task in reply["tasks"]]

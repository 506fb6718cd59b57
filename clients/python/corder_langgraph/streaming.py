"""What workers tell of their progress, passed on to a graph's custom stream while a node waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import corder


class Live:
    """Listens while it is entered. Progress is kept nowhere: what comes while nobody listens is lost."""

    def __init__(self, client: corder.Client, project: str, task_ids: Iterable[str], write: Callable[[Any], None]):
        self._client = client
        self._project = project
        self._task_ids = frozenset(task_ids)
        self._write = write
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Live:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._listening is not None
        self._listening.cancel()
        await asyncio.wait({self._listening})

    async def _listen(self) -> None:
        async for told in self._client.progress(project=self._project):
            if told.task_id in self._task_ids:
                self._write({"type": "corder.progress", "task_id": told.task_id, **told.progress})

"""The command: `python -m corder_langgraph drive shop.graphs:feature --thread 42` runs it until it ends or asks."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from langgraph.types import Command, StateSnapshot

from .driver import Driver, questions, waiting_threads
from .manager import TaskQueueManager

ENDED, ASKS, WRONG = 0, 3, 2

EPILOG = """
GRAPH is MODULE:NAME: a compiled graph, or a function without arguments that returns one or an async context manager of
one (a checkpoint store has to be opened somewhere). It needs a checkpointer. NATS_URL and CORDER_PROJECT say where
Corder is. Exit code 0: all threads have ended; 3: one asks something, which is printed with the id of its interrupt,
to be answered with --answer; 2: wrong usage.
"""


class WrongUse(Exception):
    """What was asked for makes no sense; the message says what does."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="corder-langgraph", description="LangGraph graphs on Corder")
    drive = top.add_subparsers(dest="command", required=True).add_parser(
        "drive", help="run threads, resume them when the tasks they wait for have ended", epilog=EPILOG
    )
    drive.add_argument("graph", metavar="MODULE:NAME")
    drive.add_argument("--thread", action="append", default=[], metavar="ID", help="may be given several times")
    drive.add_argument("--all-threads", action="store_true", help="every thread of the store that waits for tasks")
    drive.add_argument("--input", metavar="JSON", help="begins threads that have not begun; - reads it from stdin")
    drive.add_argument(
        "--answer", action="append", default=[], metavar="ID=JSON", help="answers the interrupt with this id"
    )
    drive.add_argument("--project", default=os.environ.get("CORDER_PROJECT"))
    drive.add_argument("--nats", metavar="URL", default=None, help="otherwise NATS_URL")
    drive.add_argument("--durability", choices=("sync", "async"), default="sync")
    return top


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Any]:
    """The graph that MODULE:NAME means."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise WrongUse(f"{name!r} is not MODULE:NAME")
    sys.path.insert(0, os.getcwd())
    try:
        made: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise WrongUse(f"there is no {name}: {error}") from None
    if not hasattr(made, "aget_state") and callable(made):
        made = made()
    if isinstance(made, AbstractAsyncContextManager):
        async with made as graph:
            yield graph
    else:
        yield made


def json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise WrongUse(f"this is no JSON: {text}: {error}") from None


def command_of(arguments: argparse.Namespace) -> Any:
    """What the threads get first: answers, an input, or nothing."""
    if arguments.answer:
        pairs = (one.partition("=") for one in arguments.answer)
        return Command(resume={interrupt_id: json_of(value or "null") for interrupt_id, _, value in pairs})
    if arguments.input is None:
        return None
    return json_of(sys.stdin.read() if arguments.input == "-" else arguments.input)


def report(thread_id: str, state: StateSnapshot) -> dict[str, Any]:
    asked = [{"id": one.id, "value": one.value} for one in questions(state)]
    return {"thread": thread_id, "status": "asks" if asked else "ended", "questions": asked}


async def drive(arguments: argparse.Namespace) -> int:
    first = command_of(arguments)
    connection = TaskQueueManager.connect(arguments.nats, project=arguments.project)
    async with opened(arguments.graph) as graph, connection as manager:
        threads = list(arguments.thread)
        if arguments.all_threads:
            threads += [one for one in await waiting_threads(graph.checkpointer) if one not in threads]
        elif not threads:
            raise WrongUse("which thread? Give --thread or --all-threads")

        async def one(thread_id: str) -> bool:
            state = await Driver(graph, manager, durability=arguments.durability).run(thread_id, first)
            print(json.dumps(report(thread_id, state), default=str), flush=True)
            return not questions(state)

        return ENDED if all(await asyncio.gather(*map(one, threads))) else ASKS


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parser().parse_args(arguments)
    try:
        return asyncio.run(drive(parsed))
    except WrongUse as error:
        print(f"corder-langgraph: {error}", file=sys.stderr)
        return WRONG


def command() -> None:
    sys.exit(main())


if __name__ == "__main__":
    command()

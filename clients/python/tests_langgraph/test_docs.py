"""The page docs/langgraph.md: its programs run as they stand, its table names tests that are there. And the package."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import unittest
import venv
from pathlib import Path
from typing import Any

import corder

from . import test_crashes
from .support import HERE, REPOSITORY, CorderCase

PAGE = REPOSITORY / "docs/langgraph.md"


def blocks() -> list[tuple[str, str]]:
    """Each Python block with the text block that follows it, or nothing."""
    found = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    programs = []
    for (kind, text), following in zip(found, [*found[1:], ("", "")]):
        if kind == "python":
            programs.append((text, following[1] if following[0] == "text" else ""))
    return programs


class Page(CorderCase):
    async def test_its_programs_run_and_print_what_it_says(self) -> None:
        worker = corder.Worker(self.client)

        @worker.task("coding")
        async def code(job: corder.Job) -> Any:
            return {"wrote": job.context["file"]}

        @worker.task("testing")
        async def test(job: corder.Job) -> Any:
            return {"tested": sorted(result["wrote"] for result in job.inputs.values())}

        programs = blocks()
        self.assertEqual(len(programs), 3)
        async with worker:
            told = await asyncio.gather(*(self.run_block(number, text) for number, (text, _) in enumerate(programs)))
        for (_, expected), printed in zip(programs, told):
            self.assertIn(expected, printed)
        self.assertIn("('coding', 'completed')", told[1])

    async def run_block(self, number: int, text: str) -> str:
        file = self.folder / f"block{number}.py"
        file.write_text(text)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(file), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        printed, wrong = await asyncio.wait_for(process.communicate(), 180)
        self.assertEqual(process.returncode, 0, wrong.decode())
        return printed.decode()

    async def test_it_names_tests_that_are_there(self) -> None:
        tests = [name for case in vars(test_crashes).values() for name in dir(case) if name.startswith("test_")]
        named = re.findall(r"`(test_\w+)…?` \|", PAGE.read_text())
        self.assertGreater(len(named), 15)
        for name in named:
            self.assertTrue([one for one in tests if one.startswith(name)], name)

    async def test_its_links_lead_somewhere(self) -> None:
        for link in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text()):
            self.assertTrue((PAGE.parent / link).exists(), link)


class Package(unittest.TestCase):
    def test_the_wheel_installs_with_langgraph_into_an_empty_environment(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
            make = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(HERE.parent)]
            subprocess.run([*pip, *make], check=True, timeout=300)
            [wheel] = folder.glob("corder-*.whl")
            venv.create(folder / "empty", with_pip=False)
            install = ["--python", str(folder / "empty/bin/python"), "install", "--no-compile", f"{wheel}[langgraph]"]
            subprocess.run([*pip, *install], check=True, timeout=300)
            command = [str(folder / "empty/bin/corder-langgraph"), "drive", "--help"]
            told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
            self.assertIn("--all-threads", told)

"""The README's five minutes, block by block, in a folder that looks like a clone in which ./dev up runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from test_docs import need, run

from stack import ROOT, environment

BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)


class Readme(unittest.TestCase):
    folder: ClassVar[Path]
    blocks: ClassVar[list[tuple[str, str]]]
    env: ClassVar[dict[str, str]]
    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    @classmethod
    def setUpClass(cls) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs in the background inherits none
        temporary = tempfile.TemporaryDirectory(prefix="corder-readme-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name)
        for name in ("build", "clients", "docs"):
            (cls.folder / name).symlink_to(ROOT / name)
        # The tests' own environment of Python stands for the one that the page makes.
        (cls.folder / "venv").symlink_to(Path(sys.executable).parent.parent)
        (cls.folder / ".corder").mkdir()
        (cls.folder / ".corder/env").write_text(f"NATS_URL={environment()['NATS_URL']}\n")
        cls.env = {name: value for name, value in environment().items() if name != "NATS_URL"}
        page = (ROOT / "README.md").read_text()
        cls.blocks = BLOCK.findall(page[page.index("## Five minutes") : page.index("## What it does")])

    def tearDown(self) -> None:
        for process in self.started:
            os.killpg(process.pid, signal.SIGINT)  # a killed one would leave its request for work behind
            process.wait(60)
        self.started.clear()

    def block(self, word: str, kind: str = "sh") -> str:
        found = [program for language, program in self.blocks if language == kind and word in program]
        self.assertEqual(len(found), 1, f"one block with {word}")
        return found[0]

    def start(self, program: str) -> None:
        """As typed into the terminal in which the first block was run."""
        terminal = "export PATH=$PWD/build/release/bin:$PATH\nset -a; . .corder/env; set +a\n"
        words = ["bash", "-euo", "pipefail", "-c", terminal + program]
        log = (self.folder / "log").open("wb")
        self.started.append(
            subprocess.Popen(words, cwd=self.folder, env=self.env, stdout=log, stderr=log, start_new_session=True)
        )
        log.close()

    def both_complete(self, project: str, result: Callable[[str], str]) -> None:
        corder = ROOT / "build/release/bin/corder"
        deadline = time.monotonic() + 180
        shown = ""
        while "both" not in shown and time.monotonic() < deadline:
            listed = run(corder, "list", "--project", project, "--status", "completed", "--json")
            time.sleep(0.1)
            shown = "both" if listed.count('"task_id"') == 2 else listed
        self.assertEqual(shown, "both", (self.folder / "log").read_text())
        for task, name in (("greet", "Ada"), ("again", "world")):
            self.assertIn(result(name), run(corder, "get", f"{project}/{task}", "--json"))

    def test_1_shell(self) -> None:
        run("bash", "-euo", "pipefail", "-c", self.block("cat > tasks.jsonl"), cwd=self.folder)
        self.start(self.block("corder work"))
        self.both_complete("first", lambda name: f'"output":"hello {name}"')

    def test_2_python(self) -> None:
        (self.folder / "worker.py").write_text(self.block("corder.Worker", "python"))
        program = self.block("venv/bin/python worker.py")
        install, rest = program.split("\n", 1)
        self.assertTrue(install.startswith("python3 -m venv venv && venv/bin/pip install ./clients/python"))
        self.start(rest)
        self.both_complete("second", lambda name: f'"said":"hello {name}"')

    def test_3_c(self) -> None:
        need("cc")
        self.start(self.block("worker.c"))
        self.both_complete("third", lambda _: '"said":"hello from C"')

    def test_4_look(self) -> None:
        for line in self.block("corder timeline").splitlines():
            command = line.split("#")[0].strip()
            if command.startswith(("corder top", "corder events")):  # they go on until one leaves them
                command += " --once" if "top" in command else " --no-follow"
            self.assertTrue(run("bash", "-c", f"build/release/bin/{command}", cwd=self.folder), command)


if __name__ == "__main__":
    unittest.main()

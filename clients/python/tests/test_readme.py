"""The README's programs, run as they stand; a text block behind one is what it prints.

On a stack of their own, as a reader has one: what other tests leave failed or waiting shows in its health.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import ClassVar

from stack import start

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal, by what Linux says of it."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(mask >> (number - 1) & 1)


class Readme(unittest.TestCase):
    environment: ClassVar[dict[str, str]]
    folder: ClassVar[tempfile.TemporaryDirectory[str]]
    workers: ClassVar[list[subprocess.Popen[bytes]]] = []
    blocks: ClassVar[list[tuple[str, str]]] = BLOCK.findall(README.read_text())

    @classmethod
    def setUpClass(cls) -> None:
        cls.environment = start()
        cls.folder = tempfile.TemporaryDirectory()
        for number, (program, _) in enumerate(cls.blocks):
            if program.startswith("# worker.py"):
                cls.workers.append(subprocess.Popen([sys.executable, cls.written(number)], env=cls.environment))

    @classmethod
    def tearDownClass(cls) -> None:
        for worker in cls.workers:
            worker.kill()
            worker.wait()
        cls.folder.cleanup()

    @classmethod
    def written(cls, number: int) -> str:
        path = Path(cls.folder.name) / f"block{number}.py"
        path.write_text(cls.blocks[number][0])
        return str(path)

    def test_each_program_prints_what_the_page_says(self) -> None:
        self.assertGreater(len(self.blocks), 7)
        for number, (program, expected) in enumerate(self.blocks):
            if program.startswith("# worker.py"):
                continue
            with self.subTest(program=program.splitlines()[-4:]):
                words = [sys.executable, self.written(number)]
                run = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=120)
                self.assertEqual((run.returncode, run.stdout), (0, expected), run.stderr)

    def test_the_worker_stops_when_it_is_told(self) -> None:
        program = next(number for number, (text, _) in enumerate(self.blocks) if text.startswith("# worker.py"))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs in the background inherits none
        for told in (signal.SIGTERM, signal.SIGINT):
            worker = subprocess.Popen([sys.executable, self.written(program)], env=self.environment)
            deadline = time.monotonic() + 180
            # Python itself catches SIGINT from the start; the worker takes it right before SIGTERM.
            while not catches(worker.pid, signal.SIGTERM) and time.monotonic() < deadline:
                time.sleep(0.05)
            with self.subTest(told.name):
                worker.send_signal(told)
                self.assertEqual(worker.wait(15), 0)


if __name__ == "__main__":
    unittest.main()

"""The docs' examples against a real stack: docs/nats.md block by block, and every worker of docs/examples.

What needs a program that is not there is skipped by name. With Go, the nats command and the Go worker are built into
build/go; Go keeps what it compiled, so only the first time takes long.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import IO, Any, ClassVar

import corder.sync
from stack import ROOT, environment, url

HERE = Path(__file__).resolve().parent
EXAMPLES = ROOT / "docs/examples"
GO = ROOT / "build/go"
NATS_COMMAND = "github.com/nats-io/natscli/nats@v0.1.5"
NATS_GO = "github.com/nats-io/nats.go@v1.36.0"
BLOCK = re.compile(r"```(sh|python|js)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def run(*words: str | Path, cwd: Path | None = None, seconds: float = 240, **more: str) -> str:
    env = {**environment(), **more}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=seconds
    )
    if done.returncode != 0:
        raise AssertionError(f"{words[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise unittest.SkipTest(f"there is no {program} on this machine")
    return found


def go(*words: str, cwd: Path | None = None) -> None:
    need("go")
    run("go", *words, cwd=cwd, seconds=900, GOBIN=str(GO / "bin"), GOFLAGS="-buildvcs=false", CGO_ENABLED="0")


@functools.cache
def nats_command() -> str:
    """The folder of the nats command, ours or the machine's."""
    found = shutil.which("nats", path=f"{GO / 'bin'}:{os.environ['PATH']}")
    if found is None:
        try:
            go("install", NATS_COMMAND)
        except AssertionError as error:
            raise unittest.SkipTest(f"the nats command could not be built: {str(error)[-300:]}") from error
        found = str(GO / "bin/nats")
    return str(Path(found).parent)


@functools.cache
def node_modules() -> Path:
    need("npm")
    stamp = HERE / "node_modules/.installed"
    if not stamp.exists() or stamp.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        run("npm", "ci", "--no-audit", "--no-fund", cwd=HERE, seconds=300)
        stamp.touch()
    return HERE / "node_modules"


class Page(unittest.TestCase):
    """docs/nats.md"""

    blocks = BLOCK.findall((ROOT / "docs/nats.md").read_text())

    def of(self, language: str) -> list[tuple[str, str]]:
        found = [(program, output) for kind, program, output in self.blocks if kind == language]
        self.assertTrue(found)
        return found

    def test_the_nats_command(self) -> None:
        need("jq")
        path = f"{nats_command()}:{environment()['PATH']}"
        printed = ""
        for program, _ in self.of("sh"):
            printed += run("bash", "-euo", "pipefail", "-c", program, PATH=path)
        self.assertIn('"task_id":"greet","result":"accepted","status":"pending"', printed)
        self.assertIn('"runnable":false', printed)
        self.assertIn("CORDER_ENQUEUE", printed)
        self.assertIn("completed\nhello Ada\n", printed)
        self.assertIn('["greet",1,"pending"]\n["again",1,"blocked"]', printed)
        self.assertIn("corder-scheduler", printed)

    def test_nats_py(self) -> None:
        for program, output in self.of("python"):
            self.assertEqual(run(sys.executable, "-c", program), output)

    def test_nats_js(self) -> None:
        node_modules()
        for number, (program, output) in enumerate(self.of("js")):
            path = HERE / "node_modules" / f"block{number}.mjs"
            path.write_text(program)
            self.assertEqual(run("node", path), output)


def shell_worker() -> list[str | Path]:
    return ["sh", EXAMPLES / "worker.sh"]


def nats_shell_worker() -> list[str | Path]:
    need("jq")
    return ["env", f"PATH={nats_command()}:{environment()['PATH']}", "sh", EXAMPLES / "worker-nats.sh"]


def python_worker() -> list[str | Path]:
    return [sys.executable, EXAMPLES / "worker.py"]


def node_worker() -> list[str | Path]:
    # Node looks for packages beside the program.
    return ["node", shutil.copyfile(EXAMPLES / "worker.mjs", node_modules() / "worker.mjs")]


def go_worker() -> list[str | Path]:
    need("go")
    folder = GO / "worker"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(EXAMPLES / "worker.go", folder / "worker.go")
    try:
        go("mod", "init", "worker", cwd=folder)
        go("get", NATS_GO, cwd=folder)
    except AssertionError as error:
        raise unittest.SkipTest(f"no module could be fetched: {str(error)[-300:]}") from error
    go("build", "-o", "worker", ".", cwd=folder)
    return [folder / "worker"]


def c_worker() -> list[str | Path]:
    need("cc")
    (GO.parent / "examples").mkdir(parents=True, exist_ok=True)
    program = GO.parent / "examples/worker-c"
    flags = run("pkg-config", "--cflags", "--libs", "libnats", "libcjson").split()
    run("cc", EXAMPLES / "worker.c", "-o", program, *flags)
    return [program]


class Workers(unittest.TestCase):
    """docs/examples: all of them at once on one queue, until each has greeted somebody."""

    makers: ClassVar = {
        "shell": shell_worker,
        "nats": nats_shell_worker,
        "python": python_worker,
        "node": node_worker,
        "go": go_worker,
        "c": c_worker,
    }
    # By what their names begin with; the first is named by its host.
    names: ClassVar = {"shell-1": "nats", "python-1": "python", "node-1": "node", "go-1": "go", "c-1": "c"}
    log: ClassVar[IO[str]]
    skipped: ClassVar[dict[str, str]] = {}
    greeted: ClassVar[dict[str, list[tuple[str, str]]]] = {}
    processes: ClassVar[list[subprocess.Popen[bytes]]] = []

    @classmethod
    def setUpClass(cls) -> None:
        cls.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        environment()
        commands = {}
        for language, maker in cls.makers.items():
            try:
                commands[language] = maker()
            except unittest.SkipTest as reason:
                cls.skipped[language] = str(reason)
        for command in commands.values():
            words = [str(word) for word in command]
            quiet: dict[str, Any] = {"stdout": cls.log, "stderr": cls.log, "start_new_session": True}
            cls.processes.append(subprocess.Popen(words, env=environment(), **quiet))
        cls.greet(set(commands))

    @classmethod
    def tearDownClass(cls) -> None:
        for process in cls.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        cls.log.close()

    @classmethod
    def greet(cls, expected: set[str]) -> None:
        """Wave upon wave of tasks, until everybody has had one: a busy machine may start some late."""
        with corder.sync.connect(url(), project="greetings") as client:
            deadline = time.monotonic() + 180
            while not expected <= set(cls.greeted) and time.monotonic() < deadline:
                tasks = [corder.Task("hello", execution_context={"name": f"n{n}"}) for n in range(2 * len(expected))]
                outcomes = client.wait(client.submit(tasks), timeout=120)
                for task in tasks:
                    info = client.get(task.task_id)
                    pair = (outcomes[task.task_id].result["said"], f"hello {task.execution_context['name']}")
                    cls.greeted.setdefault(cls.names.get(str(info.worker), "shell"), []).append(pair)

    def greets(self, language: str, always: str | None = None) -> None:
        if language in self.skipped:
            self.skipTest(self.skipped[language])
        self.log.seek(0)
        pairs = self.greeted.get(language, [])
        self.assertTrue(pairs, f"the {language} worker had no task\n{self.log.read()}")
        self.assertEqual([said for said, _ in pairs], [always or meant for _, meant in pairs])

    def test_shell(self) -> None:
        self.greets("shell")

    def test_shell_with_the_nats_command(self) -> None:
        self.greets("nats")

    def test_python(self) -> None:
        self.greets("python")

    def test_node(self) -> None:
        self.greets("node")

    def test_go(self) -> None:
        self.greets("go")

    def test_c(self) -> None:
        self.greets("c", always="hello from C")


if __name__ == "__main__":
    unittest.main()

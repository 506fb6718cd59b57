"""Private stacks: `corder up` in a folder of its own, stopped at the end of the run; most tests share one."""

from __future__ import annotations

import atexit
import functools
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("CORDER_BIN", ROOT / "build/release/bin"))
FOREIGN = ("NATS_URL", "REDIS_URL", "DATABASE_URL")


def clean_environment() -> dict[str, str]:
    """Without what would lead to another Corder; with the places where Debian keeps servers."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN and not name.startswith("CORDER_")}
    return {**kept, "PATH": f"{BIN}:{kept['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start() -> dict[str, str]:
    """Starts a stack of its own, stopped at the end of the run; the variables with which a program finds it."""
    folder = Path(tempfile.mkdtemp(prefix="corder-python-"))
    with (folder / "up.log").open("w") as log:
        words = [str(BIN / "corder"), "up", "--dir", str(folder / "stack"), "--http", str(free_port())]
        up = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_environment())

    def stop() -> None:
        up.terminate()
        try:
            up.wait(30)
        except subprocess.TimeoutExpired:
            up.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    deadline = time.monotonic() + 180
    while "Corder is up" not in (folder / "up.log").read_text():
        if up.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the stack did not start:\n{(folder / 'up.log').read_text()}")
        time.sleep(0.05)
    lines = (folder / "stack/env").read_text().splitlines()
    found = dict(word.split("=", 1) for line in lines for word in shlex.split(line) if "=" in word)
    return {**clean_environment(), **{name: found[name] for name in found if name in FOREIGN or name == "CORDER_HTTP"}}


@functools.cache
def environment() -> dict[str, str]:
    """The variables of the stack that the tests share; starts it when nobody has yet."""
    return start()


def url() -> str:
    return environment()["NATS_URL"]

"""The workers of the feature graph: they write Python, run its tests, look it over, and commit. REPOSITORY is where.

Each may be killed at any time; its task runs again then. So each can be done twice: files are written anew, and what is
committed already is not committed again.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import corder

REPOSITORY = Path(os.environ.get("REPOSITORY", "repository"))
GATE = os.environ.get("GATE")  # work waits for this file to appear, so that one can watch, or break things

CODE = '''def price(cents: int, percent: int) -> int:
    """The price of {service} with {feature}."""
    return cents - cents * percent // {whole}
'''
TEST = f"{sys.executable} -c 'from {{service}} import price; assert price(1000, 10) == 900, price(1000, 10)'"

worker = corder.Worker(concurrency=3, lease_s=5)


def run(command: str) -> str:
    done = subprocess.run(command, shell=True, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode != 0:
        raise corder.TaskFailed((done.stderr or done.stdout).strip().splitlines()[-1])
    return done.stdout.strip()


@worker.task("coding")
async def code(job: corder.Job) -> Any:
    while GATE and not Path(GATE).exists():
        await asyncio.sleep(0.02)
    service, draft = job.context["service"], job.context["draft"]
    # The first draft of orders takes a percentage for a fraction of one; its test will say so.
    whole = 1 if service == "orders" and draft == 1 else 100
    file = REPOSITORY / f"{service}.py"
    file.write_text(CODE.format(service=service, feature=job.context["feature"], whole=whole))
    job.progress(percent=100, message=f"draft {draft} of {file.name}")
    return {"file": file.name, "draft": draft}


@worker.task("testing")
def test(job: corder.Job) -> Any:
    run(TEST.format(service=job.context["service"]))
    return {"tested": [result["file"] for result in job.inputs.values()]}


@worker.task("review")
def review(job: corder.Job) -> Any:
    for service in job.context["services"]:
        compile((REPOSITORY / f"{service}.py").read_text(), service, "exec")
    return {"findings": 0}


@worker.task("commit")
def commit(job: corder.Job) -> Any:
    file, message = f"{job.context['service']}.py", job.context["message"]
    run(f"git add {file}")
    if run("git diff --cached --name-only"):
        run(f"git commit -q -m '{message}'")
    return {"commit": run(f"git log -1 --format=%H -- {file}")}


if __name__ == "__main__":
    worker.serve()

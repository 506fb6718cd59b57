"""Celery on Redis: no results kept, late acks (a task of a worker that dies comes again, as ours does), tasks fetched ahead.
Graphs only as barriers: a layer is a group, and the next one its callback (a chord), which needs results."""

import subprocess
import sys
import time

import redis
from celery import Celery, chord, group
from celery import chain as in_order
from peer import HERE, PAYLOAD, REDIS_URL, begin, end, end_chain, one_by_one, options, seconds, wait_until

app = Celery("celery_peer", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=100, worker_hijack_root_logger=False,
                result_expires=600, broker_connection_retry_on_startup=True, broker_pool_limit=10)
connection = redis.Redis.from_url(REDIS_URL)
times = []  # of this worker process


@app.task(name="noop")
def noop(context):
    return None


@app.task(name="kept", ignore_result=False)
def kept(context):
    return 0


@app.task(name="join", ignore_result=True)
def join(results, layers, width):
    """The barrier after a layer: starts the next, or says that all is done."""
    if layers > 0:
        chord(group(kept.s(PAYLOAD) for _ in range(width)), join.s(layers - 1, width)).apply_async()
    else:
        connection.set("times", "done")


@app.task(name="timed")
def timed(context, tell):
    times.append(time.time())
    if tell:
        connection.set("times", repr(times))
        times.clear()


def start_workers(count):
    """Processes of one task at a time each: cheaper a task than its pools of processes or threads."""
    command = [sys.executable, "-m", "celery", "-A", "celery_peer", "worker", "-P", "solo", "-l", "ERROR", "--without-gossip",
               "--without-mingle", "--without-heartbeat", "-n"]
    quiet = {"cwd": HERE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    workers = [subprocess.Popen([*command, f"worker{i}"], **quiet) for i in range(count)]
    wait_until(lambda: len(app.control.inspect(timeout=1).ping() or {}) >= count, 0.1)
    return workers


def is_empty():
    return connection.llen("celery") == 0 and connection.hlen("unacked") == 0


def add(tasks):
    with app.producer_pool.acquire() as producer:
        for _ in range(tasks):
            noop.apply_async((PAYLOAD,), producer=producer)


def independent(o):
    workers = start_workers(o["processes"])
    begin()
    add(o["tasks"])
    submitted = seconds()
    wait_until(is_empty)
    end(o["tasks"], submitted_s=submitted, completed_s=seconds())
    return workers


def layered(o):
    workers, width = start_workers(o["processes"]), min(o["width"], o["tasks"])
    begin()
    join.delay([], o["tasks"] // width, width)
    wait_until(lambda: connection.get("times"))
    end(o["tasks"], completed_s=seconds())
    return workers


def fan_in(o):
    return layered({**o, "width": o["tasks"]})


def chain(o):
    """Each task starts the next one, the way its own chains do it."""
    workers = start_workers(1)
    steps = [timed.si(PAYLOAD, i == o["tasks"] - 1) for i in range(o["tasks"])]
    begin()
    in_order(*steps).apply_async()
    end_chain(o, connection)
    return workers


def idle(o):
    workers = start_workers(1)
    one_by_one(o, connection, lambda: timed.delay(PAYLOAD, True))
    return workers


def fill(o):
    begin()
    add(o["tasks"])
    end(o["tasks"], submitted_s=seconds())
    return []


def main():
    measure, o = options(tasks=20000, processes=2, width=1000, rate=100)
    connection.flushall()
    for worker in globals()[measure](o):
        worker.terminate()
        worker.wait()


main() if __name__ == "__main__" else None

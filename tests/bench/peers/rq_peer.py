"""RQ: jobs in Redis, real dependencies. Workers run jobs in their own process (SimpleWorker), since a fork a job costs
milliseconds; results are not kept."""

import os
import subprocess
import sys
import time

import redis
from peer import HERE, PAYLOAD, REDIS_URL, begin, end, end_chain, one_by_one, options, seconds, wait_until
from rq import Queue, SimpleWorker

connection = redis.Redis.from_url(REDIS_URL)
queue = Queue("bench", connection=connection)
KEEP = {"result_ttl": 0, "failure_ttl": 60}
times = []  # of this worker process: when a job began and ended


def noop(context):
    return None


def timed(context, tell=False):
    times.append(time.time())
    if tell:
        connection.set("times", repr(times))
        times.clear()


def start_workers(count):
    command = [sys.executable, os.path.join(HERE, "rq_peer.py"), "worker"]
    workers = [subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(count)]
    wait_until(lambda: connection.scard("rq:workers") >= count)
    return workers


def is_empty():
    return (connection.llen("rq:queue:bench") == 0 and connection.zcard("rq:deferred:bench") == 0
            and connection.zcard("rq:wip:bench") == 0)


def add(tasks, batch):
    for first in range(0, tasks, batch):
        jobs = [Queue.prepare_data("rq_peer.noop", (PAYLOAD,), job_id=f"j{i}", **KEEP) for i in range(first, min(tasks, first + batch))]
        queue.enqueue_many(jobs)


def add_graph(tasks, parents):
    """parents(i) names those that task i waits for."""
    for i in range(tasks):
        queue.enqueue("rq_peer.noop", PAYLOAD, job_id=f"j{i}", depends_on=[f"j{parent}" for parent in parents(i)] or None,
                      result_ttl=600)


def independent(o):
    workers = start_workers(o["processes"])
    begin()
    add(o["tasks"], o["batch"])
    submitted = seconds()
    wait_until(is_empty)
    end(o["tasks"], submitted_s=submitted, completed_s=seconds())
    return workers


def graph(o, parents):
    workers = start_workers(o["processes"])
    begin()
    add_graph(o["tasks"], parents)
    submitted = seconds()
    wait_until(is_empty)
    end(o["tasks"], submitted_s=submitted, completed_s=seconds())
    return workers


def layered(o):
    width, degree = o["width"], o["degree"]

    def parents(i):
        layer, place = divmod(i, width)
        return [(layer - 1) * width + (place + k) % width for k in range(degree)] if layer else []

    return graph(o, parents)


def fan_in(o):
    last = o["tasks"] - 1
    return graph(o, lambda i: range(last) if i == last else [])


def chain(o):
    for i in range(o["tasks"]):
        queue.enqueue("rq_peer.timed", PAYLOAD, i == o["tasks"] - 1, job_id=f"c{i}", depends_on=f"c{i - 1}" if i else None,
                      result_ttl=600)
    begin()
    workers = start_workers(1)
    end_chain(o, connection)
    return workers


def idle(o):
    workers = start_workers(1)
    one_by_one(o, connection, lambda: queue.enqueue("rq_peer.timed", PAYLOAD, True, **KEEP))
    return workers


def fill(o):
    begin()
    add(o["tasks"], o["batch"])
    end(o["tasks"], submitted_s=seconds())
    return []


def main():
    measure, o = options(tasks=10000, batch=500, processes=2, width=1000, degree=3, rate=100)
    if measure == "worker":
        return SimpleWorker([queue], connection=connection).work(logging_level="ERROR")
    connection.flushall()
    for worker in globals()[measure](o):
        worker.kill()
        worker.wait()


main() if __name__ == "__main__" else None

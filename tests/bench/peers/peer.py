"""What the harnesses in Python share: options, the lines `begin` and `end {figures}`, histograms."""

import json
import os
import sys
import time

REDIS_URL = os.environ.get("REDIS_URL")
HERE = os.path.dirname(os.path.abspath(__file__))
PAYLOAD = {"data": "7".rjust(244, "0")}  # 256 bytes of JSON


def options(**numbers):
    """The measure (the first word) and --name N for each of the numbers."""
    words = iter(sys.argv[2:])
    for word in words:
        numbers[word[2:]] = int(next(words))
    return sys.argv[1], numbers


class Clock:
    began = 0.0


def begin():
    Clock.began = time.time()
    print("begin", flush=True)


def seconds():
    return time.time() - Clock.began


def end(tasks, starts=None, **figures):
    if starts:
        counts = {}
        for at in starts:
            us = max(0, round(at * 1e6))
            counts[us] = counts.get(us, 0) + 1
        figures["start_us"] = sorted(counts.items())
    print("end " + json.dumps({"tasks": tasks, **figures}), flush=True)


def wait_until(done, pause=0.02):
    limit = time.time() + 180
    while not done():
        if time.time() > limit:
            raise TimeoutError("it did not come to its end within 180 s")
        time.sleep(pause)


def end_chain(o, connection):
    """When the tasks of a chain have left their start times in Redis."""
    wait_until(lambda: connection.get("times"))
    at = json.loads(connection.get("times"))
    end(o["tasks"], [b - a for a, b in zip(at, at[1:])], completed_s=seconds())


def one_by_one(o, connection, send):
    """A task at a time, at a rate: from its sending to the start time that it leaves in Redis."""
    starts = []
    begin()
    for _ in range(o["tasks"]):
        connection.delete("times")
        sent = time.time()
        send()
        wait_until(lambda: connection.get("times"), 0.001)
        starts.append(json.loads(connection.get("times"))[0] - sent)
        time.sleep(1 / o["rate"])
    end(o["tasks"], starts, completed_s=seconds())

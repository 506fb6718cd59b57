#!/usr/bin/env python3
"""A worker in Python: pip install nats-py; NATS_URL=… python3 worker.py"""
import asyncio, json, os
import nats


async def main():
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    done = []
    while True:
        body = {"worker": "python-1", "max": 1, "wait_ms": 10000, "done": done}
        try:
            message = await nc.request("corder.v1.work.hello", json.dumps(body).encode(), timeout=20)
        except Exception as problem:  # no answer says nothing: the same settles go again
            print("again:", problem)
            await asyncio.sleep(1)
            continue
        reply = json.loads(message.data)
        if not reply["ok"]:
            print("again:", reply["error"]["message"])
            await asyncio.sleep(1)
            continue
        done = []
        for task in reply["tasks"]:
            name = task["execution_context"].get("name", "world")
            done.append({"project": task["project"], "task_id": task["task_id"], "lease": task["lease"],
                         "outcome": "completed", "result": {"said": f"hello {name}"}})


asyncio.run(main())

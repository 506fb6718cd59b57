"""Dask: a scheduler and workers in memory, nothing on a disk; true graphs."""

import time

from distributed import Client, LocalCluster, wait
from peer import PAYLOAD, begin, end, options, seconds


def noop(*inputs, **context):
    return None


def timed(*inputs, **context):
    now = time.time()
    return now, time.time()


def independent(client, o):
    begin()
    futures = client.map(noop, range(o["tasks"]), pure=False, batch_size=o["batch"], **PAYLOAD)
    submitted = seconds()
    wait(futures)
    end(o["tasks"], submitted_s=submitted, completed_s=seconds())


def run_graph(client, tasks, graph, keys):
    begin()
    client.get(graph, keys, sync=True)
    end(tasks, completed_s=seconds())


def layered(client, o):
    width, degree, tasks = o["width"], o["degree"], o["tasks"]
    graph = {}
    for i in range(tasks):
        layer, place = divmod(i, width)
        parents = [f"t{(layer - 1) * width + (place + k) % width}" for k in range(degree)] if layer else []
        graph[f"t{i}"] = (noop, *parents)
    run_graph(client, tasks, graph, [f"t{i}" for i in range(tasks - width, tasks)])


def fan_in(client, o):
    tasks = o["tasks"]
    graph = {f"t{i}": (noop, i) for i in range(tasks - 1)}
    graph["last"] = (noop, [f"t{i}" for i in range(tasks - 1)])
    run_graph(client, tasks, graph, ["last"])


def chain(client, o):
    """Tasks that must not be fused: each is submitted on the one before it."""
    begin()
    futures = [client.submit(timed, pure=False)]
    for _ in range(o["tasks"] - 1):
        futures.append(client.submit(timed, futures[-1], pure=False))
    at = client.gather(futures)
    end(o["tasks"], [b[0] - a[1] for a, b in zip(at, at[1:])], completed_s=seconds())


def idle(client, o):
    starts = []
    begin()
    for _ in range(o["tasks"]):
        sent = time.time()
        starts.append(client.submit(timed, pure=False, **PAYLOAD).result()[0] - sent)
        time.sleep(1 / o["rate"])
    end(o["tasks"], starts, completed_s=seconds())


def main():
    measure, o = options(tasks=10000, processes=1, threads=2, batch=1000, width=1000, degree=3, rate=100)
    with LocalCluster(n_workers=o["processes"], threads_per_worker=o["threads"], dashboard_address=None,
                      silence_logs=50) as cluster, Client(cluster) as client:
        globals()[measure](client, o)


main() if __name__ == "__main__" else None

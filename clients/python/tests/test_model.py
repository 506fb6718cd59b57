"""Tasks, graphs and events without a server: what they become on the wire, and what comes back from it."""

from __future__ import annotations

import dataclasses
import json
import re
import unittest
from datetime import datetime, timedelta, timezone

import corder
from corder.errors import _BY_CODE
from corder.events import Versions
from corder.submitting import MESSAGE_TASKS, Order
from stack import ROOT

EXAMPLES = ROOT / "subjects/examples/valid"


def event(version: int, **more: object) -> corder.Event:
    body = {"event_id": f"e{version}", "seq": version, "project": "p", "task_id": "a", "batch_id": "", "task_type": "t"}
    body.update(status="pending", previous=None, version=version, attempt=0, at="2026-01-02T03:04:05.000006Z", **more)
    return corder.Event.from_json(body)


class Tasks(unittest.TestCase):
    def test_what_has_its_default_is_left_out(self) -> None:
        self.assertEqual(corder.Task("coding", task_id="a").to_json(), {"task_id": "a", "task_type": "coding"})

    def test_every_field_has_its_form(self) -> None:
        task = corder.Task(
            "coding",
            task_id="a",
            dependencies=["b", corder.Dependency("c", "failed", future=True)],
            not_before=datetime(2026, 1, 2, 4, 4, 5, 6, tzinfo=timezone(timedelta(hours=1))),
            retry_backoff=corder.Backoff(initial_ms=5),
            priority=7,
        )
        expected = {
            "task_id": "a",
            "task_type": "coding",
            "dependencies": ["b", {"task_id": "c", "when": "failed", "future": True}],
            "not_before": "2026-01-02T03:04:05.000006Z",
            "retry_backoff": {"initial_ms": 5, "factor": 2, "max_ms": 60000},
            "priority": 7,
        }
        self.assertEqual(task.to_json(), expected)
        again = corder.Task.from_json(expected)
        self.assertEqual(again.to_json(), expected)

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "zone"):
            corder.Task("coding", not_before=datetime(2026, 1, 1)).to_json()

    def test_the_fields_are_those_of_the_contract(self) -> None:
        schema = json.loads((ROOT / "subjects/schemas/common.json").read_text())["$defs"]["task_item"]
        ours = {field.name for field in dataclasses.fields(corder.Task)}
        self.assertEqual(ours, set(schema["properties"]))

    def test_ids_are_new_and_sort_by_time(self) -> None:
        ids = [corder.new_id() for _ in range(100)]
        self.assertEqual(len(set(ids)), 100)
        self.assertTrue(all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", one) for one in ids))
        self.assertLessEqual(ids[0][:10], ids[-1][:10])

    def test_every_code_has_its_exception(self) -> None:
        schema = json.loads((ROOT / "subjects/schemas/common.json").read_text())["$defs"]["code"]
        self.assertEqual(set(schema["enum"]) - set(_BY_CODE), {"unavailable"})


class Graphs(unittest.TestCase):
    def edges(self, graph: corder.Graph) -> dict[str, list[str]]:
        return {task.task_id: [dependency.task_id for dependency in task.dependencies] for task in graph}

    def tasks(self, names: str) -> list[corder.Task]:
        return [corder.Task("t", task_id=name) for name in names]

    def test_operators_set_the_edges(self) -> None:
        a, b, c, d = self.tasks("abcd")
        self.assertEqual(self.edges(a >> [b, c] >> d), {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})

    def test_graphs_are_chained_and_stand_side_by_side(self) -> None:
        a, b, c, d, e = self.tasks("abcde")
        graph = (a >> b | c) >> d | e
        self.assertEqual(self.edges(graph), {"a": [], "b": ["a"], "c": [], "d": ["b", "c"], "e": []})

    def test_a_list_may_begin(self) -> None:
        a, b, c = self.tasks("abc")
        self.assertEqual(self.edges([a, b] >> c), {"a": [], "b": [], "c": ["a", "b"]})

    def test_another_end_than_completion_can_be_followed(self) -> None:
        a, b = self.tasks("ab")
        (a.when("failed") >> b)
        self.assertEqual(b.dependencies, [corder.Dependency("a", "failed")])

    def test_names_stand_behind_the_prefix(self) -> None:
        graph = corder.Graph(prefix="f:")
        graph.add("a", "t")
        graph.add("b", "t", after=["a", "elsewhere"])
        self.assertEqual(self.edges(graph), {"f:a": [], "f:b": ["f:a", "elsewhere"]})
        self.assertEqual(graph["b"].task_id, "f:b")
        with self.assertRaises(ValueError):
            graph.add("a", "t")

    def test_a_hundred_thousand_tasks_are_no_trouble(self) -> None:
        tasks = [corder.Task("t") for _ in range(100_000)]
        graph = corder.Graph(tasks[:50_000]) | corder.Graph(tasks[50_000:])
        self.assertEqual(len(graph), 100_000)


class Messages(unittest.TestCase):
    def test_a_repetition_is_the_same_message(self) -> None:
        order = Order([{"task_type": "t"}, {"task_type": "t"}], "p", None)
        self.assertEqual(order.messages(10_000, {}), order.messages(10_000, {}))

    def test_no_part_is_larger_than_a_message(self) -> None:
        tasks = [corder.Task("t", execution_context={"text": "ü" * 300}) for _ in range(40)]
        messages = Order(tasks, "p", "b").messages(5000, {"ack": "archived"})
        self.assertTrue(all(len(payload) <= 5000 for payload, _ in messages))
        bodies = [json.loads(payload) for payload, _ in messages]
        self.assertEqual([body["part"] for body in bodies[:-1]], list(range(1, len(bodies))))
        self.assertEqual(bodies[-1], {"project": "p", "batch_id": "b", "seal": len(bodies) - 1, "ack": "archived"})
        sent = [task["task_id"] for body in bodies[:-1] for task in body["tasks"]]
        self.assertEqual(sent, [task.task_id for task in tasks])

    def test_so_many_tasks_are_a_part(self) -> None:
        order = Order([{"task_type": "t"}] * (MESSAGE_TASKS + 1), "p", "b")
        sizes = [len(json.loads(payload).get("tasks", ())) for payload, _ in order.messages(10**9, {})]
        self.assertEqual(sizes, [MESSAGE_TASKS, 1, 0])

    def test_what_is_no_json_is_told_here(self) -> None:
        for context in ({"x": float("nan")}, {"x": "\ud800"}):
            with self.assertRaises(ValueError):
                Order(corder.Task("t", execution_context=context), "p", None).messages(1000, {})
        with self.assertRaises(ValueError):
            Order([], "p", None)


class Replies(unittest.TestCase):
    def test_every_event_of_the_examples_is_read(self) -> None:
        for path in EXAMPLES.glob("event.*.json"):
            body = json.loads(path.read_text())
            read = corder.Event.from_json(body, 7)
            self.assertEqual(read.to_json(), {**body, "position": 7})
            self.assertEqual(corder.Event.from_json(read.to_json()), read)

    def test_every_task_of_the_examples_is_read(self) -> None:
        for path in EXAMPLES.glob("task-get-reply.*.json"):
            body = json.loads(path.read_text())["task"]
            info = corder.TaskInfo.from_json(body)
            self.assertEqual((info.task_id, info.status, info.raw), (body["task_id"], body["status"], body))

    def test_every_answer_of_the_monitor_is_read(self) -> None:
        kinds = {"status": corder.Status, "timeline": corder.Timeline, "explain": corder.Explanation}
        for name, kind in kinds.items():
            paths = list(EXAMPLES.glob(f"{name}-reply.*.json"))
            self.assertTrue(paths, name)
            for path in paths:
                body = json.loads(path.read_text())
                self.assertEqual(kind.from_json(body).raw, body)  # type: ignore[attr-defined]


class DoublesAndGaps(unittest.TestCase):
    def test_an_event_counts_once_and_a_gap_is_counted(self) -> None:
        versions = Versions()
        self.assertEqual([versions.take(event(n)) for n in (3, 3, 4, 2, 7, 8)], [0, None, 0, None, 2, 0])

    def test_refusals_are_told_apart_by_their_id(self) -> None:
        versions = Versions()
        first, second = event(0), dataclasses.replace(event(0), event_id="other")
        self.assertEqual([versions.take(one) for one in (first, second, first)], [0, 0, None])

    def test_only_so_many_tasks_are_remembered(self) -> None:
        versions = Versions(limit=2)
        for name in "abc":
            versions.take(dataclasses.replace(event(1), task_id=name))
        self.assertEqual(len(versions._last), 2)


if __name__ == "__main__":
    unittest.main()

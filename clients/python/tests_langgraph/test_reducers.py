"""The reducers on histories of tasks whose events come twice, late and in any order. No server is needed."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from corder_langgraph import (
    TaskRecord,
    log_reducer,
    merge_records,
    reduce_collection,
    reduce_tasks,
    resume_position,
)
from corder_langgraph.records import COLLECTIONS, STATE_KEYS, Collection, collection_of, record_of_event
from corder_langgraph.reducers import Memory, empty_memory, merge_memory

EXAMPLES = 60

# Lawful lives of a task; a failed one that somebody retries comes back.
LIVES = (
    "pending running completed",
    "blocked pending running completed",
    "pending running retry pending running completed",
    "pending running retry pending running failed",
    "blocked skipped",
    "pending cancelled",
    "pending running failed pending running completed",
    "blocked pending running failed blocked pending running",
)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The events of a few tasks in the order of their log."""
    lives = draw(st.lists(st.sampled_from(LIVES), min_size=1, max_size=4))
    left = [[(f"t{number}", status) for status in life.split()] for number, life in enumerate(lives)]
    events: list[dict[str, Any]] = []
    versions: dict[str, int] = {}
    while any(left):
        task_id, status = draw(st.sampled_from([one for one in left if one])).pop(0)
        versions[task_id] = versions.get(task_id, 0) + 1
        event = {"event_id": f"e{len(events)}", "seq": len(events) + 1, "position": len(events) + 10}
        event |= {"task_id": task_id, "status": status, "version": versions[task_id], "at": f"at {len(events)}"}
        if versions[task_id] == 1:
            event["task"] = {"service_name": f"service of {task_id}", "priority": 5}
        if status == "completed":
            event["result"] = {"seq": event["seq"]}
        events.append(event)
    return events


@st.composite
def disordered(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A history, and the same with some events twice or more, in any order."""
    history = draw(histories())
    extra = draw(st.lists(st.sampled_from(history), max_size=8))
    return history, draw(st.permutations([*history, *extra]))


def told(events: Sequence[dict[str, Any]]) -> list[TaskRecord]:
    return [record_of_event(event) for event in events]


def fold(events: Sequence[dict[str, Any]], sizes: Sequence[int] = (1,)) -> dict[Collection, Memory]:
    """All four collections after the events, given to them in groups of these sizes."""
    memories = {name: empty_memory() for name in COLLECTIONS}
    start, turn = 0, 0
    while start < len(events):
        size = sizes[turn % len(sizes)]
        group = told(events[start : start + size])
        memories = {name: reduce_collection(name, memories[name], group) for name in COLLECTIONS}
        start, turn = start + size, turn + 1
    return memories


class Collections(unittest.TestCase):
    @given(disordered(), st.lists(st.integers(1, 5), min_size=1, max_size=4))
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_doubled_late_and_reordered_events_end_as_the_history_did(
        self, both: tuple[list[dict[str, Any]], list[dict[str, Any]]], sizes: list[int]
    ) -> None:
        history, arrived = both
        self.assertEqual(fold(arrived, sizes), fold(history))

    @given(disordered())
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_a_task_is_in_one_collection_at_any_time(self, both: tuple[Any, list[dict[str, Any]]]) -> None:
        _, arrived = both
        memories = {name: empty_memory() for name in COLLECTIONS}
        seen: set[str] = set()
        for event in arrived:
            memories = {name: reduce_collection(name, memories[name], told([event])) for name in COLLECTIONS}
            held = [task_id for memory in memories.values() for task_id in memory["tasks"]]
            self.assertEqual(sorted(held), sorted(seen := seen | {event["task_id"]}))

    @given(disordered())
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_the_latest_version_decides_which(self, both: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
        history, arrived = both
        memories = fold(arrived)
        for event in {event["task_id"]: event for event in history}.values():
            record = memories[collection_of(event["status"])]["tasks"][event["task_id"]]
            self.assertEqual((record["version"], record["at"]), (event["version"], event["at"]))
            self.assertEqual(record["service_name"], f"service of {event['task_id']}")
            self.assertEqual(record.get("result"), event.get("result"))

    @given(histories(), st.data())
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_two_memories_join_to_what_both_have_seen(self, history: list[dict[str, Any]], data: st.DataObject) -> None:
        whose = data.draw(st.lists(st.sampled_from(["one", "other", "both"]), min_size=len(history)))
        one = fold([event for event, who in zip(history, whose) if who != "other"])
        other = fold([event for event, who in zip(history, whose) if who != "one"])
        for name, whole in fold(history).items():
            self.assertEqual(merge_memory(name, one[name], other[name]), whole)
            self.assertEqual(merge_memory(name, other[name], one[name]), whole)

    @given(disordered())
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_what_a_node_folds_by_itself_agrees(self, both: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
        history, arrived = both
        state: dict[str, dict[str, TaskRecord]] = {}
        for event in arrived:
            state = reduce_tasks(state, told([event]))
        self.assertEqual(state, {STATE_KEYS[name]: memory["tasks"] for name, memory in fold(history).items()})

    def test_the_given_memory_stays_as_it_is(self) -> None:
        before = reduce_collection("pending", empty_memory(), [{"task_id": "t", "status": "pending", "version": 1}])
        copy = {"tasks": dict(before["tasks"]), "left": dict(before["left"])}
        reduce_collection("pending", before, [{"task_id": "t", "status": "running", "version": 2}])
        self.assertEqual(before, copy)

    def test_a_refusal_stands_behind_the_submission_that_it_refuses(self) -> None:
        submitted: TaskRecord = {"task_id": "t", "status": "pending", "version": 0}
        refused: TaskRecord = {"task_id": "t", "status": "rejected", "version": 0}
        for order in ([submitted, refused], [refused, submitted]):
            self.assertEqual(reduce_tasks({}, order)["failed_tasks"], {"t": refused})

    def test_an_unknown_status_is_no_record(self) -> None:
        with self.assertRaisesRegex(ValueError, "no status 'lost'"):
            collection_of("lost")


ANY_RECORD = st.fixed_dictionaries(
    {
        "task_id": st.just("t"),
        "status": st.sampled_from(["blocked", "pending", "running", "retry", "completed", "failed", "rejected"]),
        "version": st.integers(0, 3),
    },
    optional={
        "result": st.integers(0, 2),
        "worker": st.sampled_from("ab"),
        "service_name": st.sampled_from("xy"),
        "priority": st.integers(1, 3),
    },
)


class Merging(unittest.TestCase):
    @given(ANY_RECORD, ANY_RECORD, ANY_RECORD)
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_merging_is_commutative_associative_and_idempotent_whatever_is_said(self, a: Any, b: Any, c: Any) -> None:
        self.assertEqual(merge_records(a, b), merge_records(b, a))
        self.assertEqual(merge_records(merge_records(a, b), c), merge_records(a, merge_records(b, c)))
        self.assertEqual(merge_records(merge_records(a, b), b), merge_records(a, b))


class Log(unittest.TestCase):
    @given(disordered(), st.integers(1, 12), st.integers(1, 4))
    @settings(max_examples=EXAMPLES, deadline=None)
    def test_it_holds_the_newest_events_each_once_in_order(
        self, both: tuple[list[dict[str, Any]], list[dict[str, Any]]], limit: int, size: int
    ) -> None:
        history, arrived = both
        reduce = log_reducer(limit)
        log: Any = None
        for start in range(0, len(arrived), size):
            log = reduce(log, arrived[start : start + size])  # type: ignore[arg-type]
        self.assertEqual(log, history[-limit:])
        self.assertEqual(resume_position(log), history[-1]["position"])

    def test_an_event_seen_live_gains_its_position_when_it_is_replayed(self) -> None:
        live = {"event_id": "e", "task_id": "t", "version": 1, "seq": 1}
        replayed = {**live, "position": 7}
        for order in ([live, replayed], [replayed, live]):
            self.assertEqual(log_reducer()(None, order), [replayed])  # type: ignore[arg-type]

    def test_nothing_is_to_be_resumed_from_an_empty_log(self) -> None:
        self.assertIsNone(resume_position([]))

    def test_a_log_of_nothing_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            log_reducer(0)


if __name__ == "__main__":
    unittest.main()

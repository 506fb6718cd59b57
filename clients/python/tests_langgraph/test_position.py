"""Where in a graph a step is: the ids it makes, and what a replay repeats. No server is needed."""

from __future__ import annotations

import unittest
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple

from corder_langgraph.position import Position, batch_of, origins


def saved(name: str, parent: str, source: str, **values: Any) -> CheckpointTuple:
    """A checkpoint whose versions are its values', as a copy's are."""
    checkpoint: Any = {"id": name, "channel_values": values, "channel_versions": dict(values)}
    metadata: Any = {"source": source}
    before: Any = {"configurable": {"checkpoint_id": parent}} if parent else None
    return CheckpointTuple({"configurable": {}}, checkpoint, metadata, before)


STORY = [
    saved("1", "", "input"),
    saved("2", "1", "loop", a=1),
    saved("3", "2", "loop", a=2),
    saved("4", "3", "loop", a=3),
]


class Ids(unittest.TestCase):
    def test_both_packages_make_the_same(self) -> None:
        where = Position("thread-ä", "", "c1", "code", "push:3")
        self.assertEqual(where.base("key"), "lg-25cb319ddc9dd885d4ed")
        self.assertEqual(batch_of("thread-ä"), "lg-7a15ce45f41ea2184fb9")

    def test_every_part_of_a_position_tells_it_from_another(self) -> None:
        one = ("thread", "level", "checkpoint", "node", "pull")
        bases = {Position(*one).base()}
        for number in range(len(one)):
            parts = [part + "x" if at == number else part for at, part in enumerate(one)]
            bases.add(Position(*parts).base())
        self.assertEqual(len(bases | {Position(*one).base("key")}), len(one) + 2)

    def test_a_replay_apart_is_a_step_of_its_own(self) -> None:
        replay = Position("t", "", "original", "node", "pull", replayed_in="copy")
        self.assertEqual(replay.base(), Position("t", "", "original", "node", "pull").base())
        self.assertEqual(replay.apart().base(), Position("t", "", "copy", "node", "pull").base())


class Origins(unittest.TestCase):
    def test_what_was_never_replayed_is_its_own_origin(self) -> None:
        self.assertEqual(origins(STORY), {name: name for name in "1234"})

    def test_a_replay_repeats_step_by_step_while_its_states_are_the_same(self) -> None:
        replay = [saved("5", "2", "fork", a=1), saved("6", "5", "loop", a=2), saved("7", "6", "loop", a=3)]
        self.assertEqual([origins([*STORY, *replay])[name] for name in "567"], ["2", "3", "4"])

    def test_from_the_first_state_that_differs_on_it_is_its_own(self) -> None:
        replay = [saved("5", "2", "fork", a=1), saved("6", "5", "loop", a=9), saved("7", "6", "loop", a=3)]
        self.assertEqual([origins([*STORY, *replay])[name] for name in "567"], ["2", "6", "7"])

    def test_a_replay_of_a_replay_repeats_the_original(self) -> None:
        first = [saved("5", "2", "fork", a=1), saved("6", "5", "loop", a=2)]
        second = [saved("7", "6", "fork", a=2), saved("8", "7", "loop", a=3)]
        self.assertEqual([origins([*STORY, *first, *second])[name] for name in "5678"], ["2", "3", "3", "4"])

    def test_changed_states_and_copies_of_a_checkpoint_are_their_own(self) -> None:
        update = [saved("5", "2", "update", a=1), saved("6", "5", "loop", a=2)]
        # as_node="__copy__" copies checkpoint 2 and names 1 as the parent.
        copy = [saved("7", "1", "fork", a=1), saved("8", "7", "loop", a=2)]
        self.assertEqual([origins([*STORY, *update, *copy])[name] for name in "5678"], list("5678"))


if __name__ == "__main__":
    unittest.main()

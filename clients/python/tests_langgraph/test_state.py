"""The state in real graphs and a real store of checkpoints. No Corder is needed."""

from __future__ import annotations

import json
import operator
import unittest
from collections.abc import Callable
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Overwrite, Send

from corder_langgraph import CodingAgentState, TaskCollection, TaskRecord, all_tasks, updates
from corder_langgraph.reducers import empty_memory
from corder_langgraph.state import TaskMap

SEED_NAMES = [
    "completed_tasks",
    "failed_tasks",
    "pending_tasks",
    "running_tasks",
    "task_execution_log",
    "task_queue_manager",
]
HISTORY: list[dict[str, Any]] = [
    {"task_id": "t", "version": version, "status": status}
    for version, status in enumerate(["blocked", "pending", "running", "completed"], 1)
]
WHERE = ["pending_tasks", "pending_tasks", "running_tasks", "completed_tasks"]


class Mixed(CodingAgentState, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    notes: Annotated[list[str], operator.add]


def tell(*versions: int) -> Callable[[Any], dict[str, Any]]:
    """A node that tells of these events."""
    return lambda _: updates([TaskRecord(**HISTORY[version - 1]) for version in versions])  # type: ignore[typeddict-item]


def chain(*nodes: Any, state: Any = Mixed) -> Any:
    graph = StateGraph(state)
    before = START
    for number, node in enumerate(nodes):
        graph.add_node(f"n{number}", node)
        graph.add_edge(before, f"n{number}")
        before = f"n{number}"
    return graph


class State(unittest.TestCase):
    def setUp(self) -> None:
        self.config: Any = {"configurable": {"thread_id": "1"}}

    def assert_where(self, values: Any, version: int) -> None:
        for key in set(WHERE):
            self.assertEqual(list(values[key]), ["t"] if key == WHERE[version - 1] else [], key)

    def test_it_has_the_six_names_and_no_other(self) -> None:
        self.assertEqual(sorted(CodingAgentState.__annotations__), SEED_NAMES)

    def test_the_collections_are_there_and_empty_before_anything_happens(self) -> None:
        seen: list[Any] = []
        chain(lambda state: seen.append(dict(state))).compile().invoke({"notes": []})
        self.assertEqual({key: seen[0][key] for key in set(WHERE)}, {key: {} for key in set(WHERE)})

    def test_a_state_of_ones_own_inherits_it(self) -> None:
        graph = chain(tell(1), lambda _: {"messages": [AIMessage("hello")], "notes": ["a"]}).compile()
        values = graph.invoke({"notes": ["b"]})
        self.assert_where(values, 1)
        self.assertEqual((values["notes"], values["messages"][0].content), (["b", "a"], "hello"))

    def test_branches_of_one_step_may_tell_of_one_task_in_any_order(self) -> None:
        for order in ([4, 1, 3, 2], [1, 2, 3, 4], [3, 4, 4, 1]):
            graph: Any = StateGraph(Mixed)
            graph.add_node("tell", lambda branch: tell(branch["version"])(branch))
            graph.add_conditional_edges(START, lambda _, o=order: [Send("tell", {"version": one}) for one in o])
            self.assert_where(graph.compile().invoke({}), 4)

    def test_a_late_event_changes_nothing_after_a_restart_either(self) -> None:
        with SqliteSaver.from_conn_string(":memory:") as saver:
            chain(tell(1, 2, 3)).compile(checkpointer=saver).invoke({}, self.config)
            for late, now in ((1, 3), (2, 3), (4, 4), (3, 4)):
                values = chain(tell(late)).compile(checkpointer=saver).invoke({"notes": []}, self.config)
                self.assert_where(values, now)

    def test_a_checkpoint_and_its_values_are_plain_data(self) -> None:
        saver = InMemorySaver()
        graph = chain(tell(1, 2, 3)).compile(checkpointer=saver)
        graph.invoke({}, self.config)
        checkpoint = saver.get_tuple(self.config)
        assert checkpoint is not None
        json.dumps(checkpoint.checkpoint["channel_values"]["running_tasks"])
        values = graph.get_state(self.config).values
        self.assertEqual(json.loads(json.dumps(values["running_tasks"])), {"t": HISTORY[2]})

    def test_a_subgraph_hands_on_what_moved_in_it(self) -> None:
        for saver in (None, InMemorySaver()):
            inner = chain(tell(2), tell(3), tell(4)).compile()
            values = chain(tell(1), inner, tell(2)).compile(checkpointer=saver).invoke({}, self.config)
            self.assert_where(values, 4)

    def test_what_a_subgraph_wrote_before_a_crash_is_put_right_by_the_next_update(self) -> None:
        """Pending writes are saved without the traces of tasks that left."""
        saver = InMemorySaver()
        tries: list[int] = []

        def fails(_: Any) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionError("the network")

        graph: Any = StateGraph(Mixed)
        graph.add_node("first", tell(1))
        graph.add_node("inner", chain(tell(2), tell(3)).compile())
        graph.add_node("fails", fails)
        graph.add_node("last", lambda state: updates(all_tasks(state).values()))
        graph.add_edge(START, "first").add_edge("first", "inner").add_edge("first", "fails")
        graph.add_edge(["inner", "fails"], "last")
        compiled: Any = graph.compile(checkpointer=saver)
        with self.assertRaises(ConnectionError):
            compiled.invoke({}, self.config)
        self.assert_where(compiled.invoke(None, self.config), 3)

    def test_it_can_be_set_from_outside(self) -> None:
        saver = InMemorySaver()
        graph = chain(tell(1, 2, 3)).compile(checkpointer=saver)
        graph.invoke({}, self.config)
        graph.update_state(self.config, updates([TaskRecord(**HISTORY[3])]))  # type: ignore[typeddict-item]
        self.assert_where(graph.get_state(self.config).values, 4)
        graph.update_state(self.config, {"completed_tasks": Overwrite({})})
        self.assertEqual(graph.get_state(self.config).values["completed_tasks"], {})

    def test_all_tasks_are_found_by_id(self) -> None:
        self.assertEqual(all_tasks(chain(tell(3)).compile().invoke({})), {"t": HISTORY[2]})


class Channel(unittest.TestCase):
    def test_it_tells_whether_it_changed(self) -> None:
        channel = TaskCollection("pending")
        self.assertTrue(channel.update([[HISTORY[0]]]))
        self.assertFalse(channel.update([[HISTORY[0]]]))
        self.assertFalse(channel.update([]))
        self.assertFalse(channel.update([None]))

    def test_a_copy_goes_its_own_way(self) -> None:
        channel = TaskCollection("pending")
        copy = channel.copy()
        copy.update([[HISTORY[0]]])
        self.assertEqual((channel.get(), list(copy.get())), ({}, ["t"]))

    def test_an_unknown_collection_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "there is no collection 'lost'"):
            TaskCollection("lost")  # type: ignore[arg-type]

    def test_an_empty_map_has_no_traces(self) -> None:
        self.assertEqual((TaskMap(), TaskMap().left, TaskMap(empty_memory())), ({}, {}, {}))


if __name__ == "__main__":
    unittest.main()

"""Graphs: by operators (`a >> [b, c] >> d`, `a | b`) or by names. A graph is a list of tasks whose edges are set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from .ids import new_id
from .model import Dependency, Task, When

if TYPE_CHECKING:
    Node: TypeAlias = "Task | Graph | After | Iterable[Task]"


class Graph:
    """Tasks that are admitted together or not at all.

    By names: `graph.add("plan", "planning")`, `graph.add("code", "coding", after=["plan"])`. A name is the task's id,
    behind the graph's prefix, since an id is unique in its project for ever: `Graph(prefix="feature-7:")`.
    """

    def __init__(
        self, tasks: Iterable[Task] = (), *, batch_id: str | None = None, project: str | None = None, prefix: str = ""
    ):
        self.tasks: list[Task] = list(dict.fromkeys(tasks))
        self.batch_id = batch_id or new_id()
        self.project = project
        self.prefix = prefix
        self._names: dict[str, Task] = {}
        self._first: list[Task] = list(self.tasks)
        self._last: list[tuple[Task, When]] = [(task, "completed") for task in self.tasks]

    @staticmethod
    def of(what: Node) -> Graph:
        if isinstance(what, Graph):
            return what
        if isinstance(what, After):
            graph = Graph([what.task])
            graph._last = [(what.task, what.ends)]
            return graph
        return Graph([what] if isinstance(what, Task) else what)

    def _joined(self, other: Graph) -> Graph:
        graph = Graph(project=self.project or other.project)
        # A dict is an ordered set; a list would be searched once a task.
        graph.tasks = list(dict.fromkeys([*self.tasks, *other.tasks]))
        graph._names = {**self._names, **other._names}
        graph.prefix = self.prefix or other.prefix
        return graph

    def __rshift__(self, other: Node) -> Graph:
        """Everything at the end of this comes before everything at the beginning of the other."""
        following = Graph.of(other)
        for task in following._first:
            task.after(*(Dependency(last.task_id, ends) for last, ends in self._last))
        graph = self._joined(following)
        graph._first, graph._last = self._first, following._last
        return graph

    def __rrshift__(self, other: Node) -> Graph:
        return Graph.of(other) >> self

    def __or__(self, other: Node) -> Graph:
        """Side by side: no order between the two."""
        beside = Graph.of(other)
        graph = self._joined(beside)
        graph._first = [*self._first, *beside._first]
        graph._last = [*self._last, *beside._last]
        return graph

    def __ror__(self, other: Node) -> Graph:
        return Graph.of(other) | self

    def add(self, name: str, task_type: str, *, after: Iterable[str | Dependency | Task] = (), **fields: Any) -> Task:
        """A task by its name; `after` names tasks of this graph, or ids of others. The rest are fields of Task."""
        if name in self._names:
            raise ValueError(f"the graph has a task {name!r} already")
        task = Task(task_type, task_id=self.prefix + name, dependencies=[self._edge(one) for one in after], **fields)
        self._names[name] = task
        self.tasks.append(task)
        self._first.append(task)
        self._last.append((task, "completed"))
        return task

    def _edge(self, what: str | Dependency | Task) -> Dependency:
        edge = Dependency.of(what)
        named = self._names.get(edge.task_id)
        return edge if named is None else Dependency(named.task_id, edge.when, edge.future)

    def __getitem__(self, name: str) -> Task:
        return self._names[name]

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    def __repr__(self) -> str:
        return f"Graph({len(self.tasks)} tasks, batch_id={self.batch_id!r})"


class After:
    """One end of a task, as in `task.when("failed") >> cleanup`."""

    def __init__(self, task: Task, ends: When):
        self.task = task
        self.ends = ends

    def __rshift__(self, other: Node) -> Graph:
        return Graph.of(self) >> other

    def __or__(self, other: Node) -> Graph:
        return Graph.of(self) | other

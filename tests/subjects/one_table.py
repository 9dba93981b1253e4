"""A tiny queue: one table of tasks, and workers that take them. It shares no line with our queue."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from attrs import frozen

from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.subject import Client, Layout, Program

WORKERS = ("A", "B")
TASKS = 2
SCHEMA = "CREATE TABLE tasks (id INTEGER PRIMARY KEY, owner TEXT, finished INTEGER NOT NULL DEFAULT 0)"
_FREE = "SELECT id FROM tasks WHERE owner IS NULL AND NOT finished ORDER BY id LIMIT 1"


class Tasks:
    """The queue, as one worker has it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def take(self, worker: str) -> int | None:
        """Take a task that is free. The fault: between the two statements another worker may take it too."""
        free = self.connection.execute(_FREE).fetchone()
        if free is None:
            return None
        self.connection.execute("UPDATE tasks SET owner = ? WHERE id = ?", (worker, free[0]))
        return int(free[0])

    def done(self, task: int) -> None:
        """The task is done."""
        self.connection.execute("UPDATE tasks SET finished = 1 WHERE id = ?", (task,))

    def give_back(self, worker: str) -> None:
        """What a dead worker of this name had taken is free again."""
        self.connection.execute("UPDATE tasks SET owner = NULL WHERE owner = ? AND NOT finished", (worker,))


class InOneStatement(Tasks):
    """The fix: one statement looks and takes."""

    def take(self, worker: str) -> int | None:
        """Take a task that is free."""
        sql = f"UPDATE tasks SET owner = ? WHERE id = ({_FREE}) RETURNING id"
        taken = self.connection.execute(sql, (worker,)).fetchone()
        return None if taken is None else int(taken[0])


class InOneTransaction(Tasks):
    """Another fix: whoever looks holds the lock until the task is taken."""

    def take(self, worker: str) -> int | None:
        """Take a task that is free."""
        self.connection.execute("BEGIN IMMEDIATE")
        taken = super().take(worker)
        self.connection.execute("COMMIT")
        return taken


class KeptByTheDead(InOneStatement):
    """Another fault: nobody gives back what a dead worker had taken."""

    def give_back(self, worker: str) -> None:
        """Forget it."""


def work(process: ProcessContext) -> None:
    """The worker: it takes a task, does it, and takes the next one."""
    tasks: Tasks = process.open()
    while True:
        process.rest()
        tasks.give_back(process.name)
        task = tasks.take(process.name)
        if task is None:
            process.sleep(1)
        else:
            process.works_on(task)
            tasks.done(task)


@frozen
class OneTable:
    """The tiny queue as a subject. `queue` is the class of it that is under test."""

    queue: Callable[[Any], Tasks] = Tasks
    layout = Layout(tables=("tasks",))
    database = "one-table"
    calls_gateway = False

    def programs(self) -> Mapping[str, Program]:
        """The workers."""
        return dict.fromkeys(WORKERS, work)

    def create(self, location: str) -> None:
        """Make the table, with its tasks."""
        with closing(sqlite3.connect(location, isolation_level=None)) as connection:
            _fill(connection)

    def prepare(self, location: str) -> None:
        """A file keeps no settings of it."""

    def observe(self, location: str, *, clock: Any, connect: Callable[[str], Any], create: bool) -> Any:
        """A connection that reads the rows."""
        del clock
        connection = connect(location)
        if create:
            _fill(connection)
        return connection

    def open(self, process: Client, location: str) -> Tasks:
        """The queue as that worker has it."""
        return self.queue(process.connect(location))

    def keeps_nothing(self, part: Any) -> bool:
        """Nothing but connections is held, and these the simulation knows."""
        del part
        return False

    def remembers_answers_only(self, observer: Any) -> bool:
        """Nobody says which of its methods is an operation."""
        del observer
        return False


def _fill(connection: Any) -> None:
    connection.execute(SCHEMA)
    for _ in range(TASKS):
        connection.execute("INSERT INTO tasks DEFAULT VALUES")

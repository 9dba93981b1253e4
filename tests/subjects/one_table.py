"""A tiny queue: one table of tasks, and workers that take them. It shares no code with our queue."""

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
    """The queue of one worker."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def take(self, worker: str) -> int | None:
        """Take a free task. The fault: between the two statements another worker may take the same task."""
        free = self.connection.execute(_FREE).fetchone()
        if free is None:
            return None
        self.connection.execute("UPDATE tasks SET owner = ? WHERE id = ?", (worker, free[0]))
        return int(free[0])

    def done(self, task: int) -> None:
        """Mark the task as done."""
        self.connection.execute("UPDATE tasks SET finished = 1 WHERE id = ?", (task,))

    def give_back(self, worker: str) -> None:
        """Free the tasks that a dead worker of this name had taken."""
        self.connection.execute("UPDATE tasks SET owner = NULL WHERE owner = ? AND NOT finished", (worker,))


class InOneStatement(Tasks):
    """The fix: one statement finds and takes the task."""

    def take(self, worker: str) -> int | None:
        """Take a free task."""
        sql = f"UPDATE tasks SET owner = ? WHERE id = ({_FREE}) RETURNING id"
        taken = self.connection.execute(sql, (worker,)).fetchone()
        return None if taken is None else int(taken[0])


class InOneTransaction(Tasks):
    """Another fix: one transaction holds the lock from the read to the write."""

    def take(self, worker: str) -> int | None:
        """Take a free task."""
        self.connection.execute("BEGIN IMMEDIATE")
        taken = super().take(worker)
        self.connection.execute("COMMIT")
        return taken


class KeptByTheDead(InOneStatement):
    """Another fault: the tasks of a dead worker stay taken."""

    def give_back(self, worker: str) -> None:
        """Do nothing."""


def work(process: ProcessContext) -> None:
    """Run the worker: it takes a task, does it, and takes the next one."""
    tasks: Tasks = process.open()
    while True:
        process.rest()
        tasks.give_back(process.name)
        task = tasks.take(process.name)
        if task is None:
            process.sleep(1)
        else:
            process.set_current_job(task)
            tasks.done(task)


@frozen
class OneTable:
    """The tiny queue as a subject. `queue` is the class under test."""

    queue: Callable[[Any], Tasks] = Tasks
    layout = Layout(tables=("tasks",))
    database = "one-table"
    calls_gateway = False

    def programs(self) -> Mapping[str, Program]:
        """The programs of the workers."""
        return dict.fromkeys(WORKERS, work)

    def create(self, location: str) -> None:
        """Make the table with its tasks."""
        with closing(sqlite3.connect(location, isolation_level=None)) as connection:
            _fill(connection)

    def prepare(self, location: str) -> None:
        """Do nothing: the queue has no settings in the file."""

    def observe(self, location: str, *, clock: Any, connect: Callable[[str], Any], create: bool) -> Any:
        """Open a connection that reads the rows."""
        del clock
        connection = connect(location)
        if create:
            _fill(connection)
        return connection

    def open(self, process: Client, location: str) -> Tasks:
        """Open the queue for a worker."""
        return self.queue(process.connect(location))

    def keeps_nothing(self, part: Any) -> bool:
        """False: the queue has only connections, which the simulation knows."""
        del part
        return False

    def allows_answers_only(self, observer: Any) -> bool:
        """False: no method is declared to be an operation."""
        del observer
        return False


def _fill(connection: Any) -> None:
    connection.execute(SCHEMA)
    for _ in range(TASKS):
        connection.execute("INSERT INTO tasks DEFAULT VALUES")

"""The worker's side of a task of a cluster: the task runs in a child process of the worker.

A task may replace the clock of its process and patch libraries, may take minutes, and may end its process.
The worker must go on meanwhile: it tells the scheduler that it lives, and hears that a task is cancelled. So
a task never runs in the worker's own process. The child is kept for the next task; it dies with the worker.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from failure_modes.checker.support.errors import MachineError
from failure_modes.checker.support.process_pool import Answer, Item, Pool


class TaskCancelled(MachineError):
    """The task was cancelled: no command waits for the answer any more."""


def run_task(work: Callable[[Item], Answer], item: Item) -> Answer:
    """Do the work in a child of this worker. Raises its error, WorkerLost, and TaskCancelled."""
    global _children
    if _children is None:
        _children = Pool(1)
    try:
        (answer,) = _children.in_order(work, [item], check=_still_wanted())
    except TaskCancelled:
        _children.__exit__()  # the child is killed in its work
        raise
    return answer


_children: Pool | None = None
"""The child of this worker, once it had a task."""


def _still_wanted() -> Callable[[], None]:
    """A function that raises TaskCancelled once the task of this thread is cancelled, or its client gone."""
    worker: Any = import_module("distributed").get_worker()
    key = worker.get_current_task()

    def check() -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise TaskCancelled

    return check

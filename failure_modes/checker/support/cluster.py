"""The workers of a Dask scheduler share work, on any number of machines.

The answers are those of a pool on this machine, in the same order. A task whose worker is lost is done again
by another worker; an object that lives on a worker is not, and its loss is an error that names the worker.
Every worker must have the same Python, the same source and the same libraries as this process: else a number
could be another's. So only the workers that were there at the start, and were asked, get work.
"""

import logging
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from importlib import import_module, metadata
from itertools import islice
from threading import Thread
from typing import Any

from failure_modes.checker.support.cluster_tasks import run_task
from failure_modes.checker.support.errors import CallerError, MachineError, NotInstalled
from failure_modes.checker.support.interrupts import CHECK_EVERY_SECONDS, check
from failure_modes.checker.support.process_pool import Answer, Item
from failure_modes.checker.support.source import source_digest
from system.clock import Stopwatch

CONNECT_SECONDS = 5.0
ASK_EVERY_SECONDS = 1.0
"""While an answer is awaited, the scheduler is asked so often whether the workers are there."""

PACKAGES = ("model", "system", "failure_modes")
LIBRARIES = ("attrs", "hypothesis", "greenlet", "psycopg", "time-machine", "redis", "fakeredis")
"""The libraries that a result may depend on."""

Say = Callable[[str], None]
"""Called now and then with how far the work has come."""


class ClusterUnusable(CallerError):
    """The cluster cannot be used. The message says what is wrong, and how it must be started."""


class ClusterWorkerLost(MachineError):
    """A worker of the cluster died, and its part of the result with it."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"the worker {worker} of the cluster was lost, and its part of the result with it")
        self.worker = worker


class WorkersLost(MachineError):
    """No worker of the cluster is left."""

    def __init__(self, workers: tuple[str, ...]) -> None:
        super().__init__(
            f"no worker of the cluster is left (there were {', '.join(workers)}), so there is no result"
        )


class SchedulerLost(MachineError):
    """The scheduler of the cluster does not answer any more."""

    def __init__(self, address: str) -> None:
        super().__init__(f"the scheduler at {address} was lost, so there is no result")


class Cluster:
    """A connection to a Dask scheduler. It ends with the `with` block; the cluster goes on."""

    def __init__(self, address: str, say: Say | None = None) -> None:
        """`say` is called while an answer is awaited. Raises ClusterUnusable and NotInstalled."""
        place = address.removeprefix("tcp://")
        if not place or "://" in place:
            raise ClusterUnusable(f"{address!r} is no address of a Dask scheduler; {_LIKE}")
        try:
            self._dask: Any = import_module("distributed")
        except ImportError:
            raise NotInstalled(
                "--cluster needs Dask: pip install 'reliability-habits[cluster]', here and on each worker"
            ) from None
        for name in [*logging.root.manager.loggerDict, "distributed"]:
            if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # each loss is an error of ours
        self._address = address
        self._say = say or _silent
        self._answered = 0
        self._client = self._connected()
        try:
            self.workers = self._usable()
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def in_order(
        self, work: Callable[[Item], Answer], items: Iterable[Item], unused_max: int | None = None
    ) -> Iterator[Answer]:
        """The answers, in the order of the items. At most `unused_max` answers are not used yet.

        Raises KeyboardInterrupt between two answers, ClusterWorkerLost (it was the only one, or the task has
        ended several), WorkersLost, SchedulerLost, and the error of the work.
        """
        most = unused_max or 2 * len(self.workers)
        left, asked, task = iter(items), deque[Any](), partial(run_task, work)
        try:
            while True:
                check()
                drawn = [
                    self._client.submit(task, item, pure=False, workers=list(self.workers))
                    for item in islice(left, most - len(asked))
                ]
                asked += drawn
                if not asked:
                    return
                yield self._result(asked[0], self.workers, len(asked))
                self._answered += 1
                asked.popleft()
        finally:
            if self._is_connected():
                self._client.cancel(list(asked), force=True)

    def living(self, kind: type[Any], *arguments: object, worker: str) -> Any:
        """An object of that class that lives on that worker. Each call of a method returns a future."""
        future = self._client.submit(kind, *arguments, actor=True, workers=[worker], pure=False)
        return self._result(future, (worker,), 1)

    def is_there(self, worker: str) -> bool:
        """True if the scheduler still has that worker. Raises SchedulerLost."""
        return worker in self._workers()

    def _connected(self) -> Any:
        """A client. Raises ClusterUnusable, also where a program that is no scheduler never answers."""
        made: list[Any] = []

        def make() -> None:
            try:
                made.append(self._dask.Client(self._address, timeout=CONNECT_SECONDS))
            except Exception as error:
                made.append(error)

        thread = Thread(target=make, daemon=True)  # Dask waits without a limit for the first answer
        thread.start()
        watch = Stopwatch()
        while thread.is_alive() and watch.seconds < 2 * CONNECT_SECONDS:
            check()
            thread.join(CHECK_EVERY_SECONDS)
        if not made or isinstance(made[0], Exception):
            why = f" ({type(made[0]).__name__})" if made else ""
            raise ClusterUnusable(f"no Dask scheduler answers at {self._address}{why}; {_LIKE}")
        return made[0]

    def _result(self, future: Any, workers: tuple[str, ...], asked: int) -> Any:
        """The result of a future, of one of these workers; `asked` results are awaited.

        Raises KeyboardInterrupt, ClusterWorkerLost, WorkersLost, SchedulerLost, and the error of the work.
        """
        watch = Stopwatch()
        try:
            while not future.done():
                check()
                with suppress(TimeoutError):
                    self._dask.wait([future], timeout=CHECK_EVERY_SECONDS)
                if watch.seconds >= ASK_EVERY_SECONDS:
                    watch = Stopwatch()
                    there = len(self._there(workers))
                    self._say(f"tasks: {self._answered:,} done, {asked} awaited; workers: {there}")
            return future.result()
        except self._dask.KilledWorker as error:
            raise ClusterWorkerLost(str(error.last_worker.address)) from None
        except (CancelledError, OSError, RuntimeError):  # the connection's, or the work's
            if future.cancelled() or not self._is_connected():
                raise SchedulerLost(self._address) from None
            raise

    def _there(self, workers: tuple[str, ...]) -> list[str]:
        """The workers that are left of these. Raises ClusterWorkerLost, WorkersLost and SchedulerLost."""
        left = self._workers()
        there = [worker for worker in workers if worker in left]
        if not there:
            raise ClusterWorkerLost(workers[0]) if len(workers) == 1 else WorkersLost(workers)
        return there

    def _is_connected(self) -> bool:
        return bool(self._client.status == "running")

    def _workers(self) -> dict[str, Any]:
        """What the scheduler knows of each worker. Raises SchedulerLost."""
        try:
            workers: dict[str, Any] | None = self._client.scheduler_info(n_workers=-1).get("workers")
        except (CancelledError, OSError, RuntimeError):
            workers = None
        if workers is None or not self._is_connected():
            raise SchedulerLost(self._address)
        return workers

    def _usable(self) -> tuple[str, ...]:
        """The addresses of the workers, in order. Raises ClusterUnusable."""
        try:
            workers = self._workers()
        except (SchedulerLost, TypeError):  # a worker does not know what is asked
            raise ClusterUnusable(f"no Dask scheduler answers at {self._address}; {_LIKE}") from None
        if not workers:
            raise ClusterUnusable(f"the cluster at {self._address} has no worker; start one with `{_START}`")
        here = about_this_process()
        asked = self._client.run(about_this_process, workers=list(workers), on_error="return")
        for worker, about in sorted(asked.items()):
            if isinstance(about, BaseException):
                raise ClusterUnusable(
                    f"the worker {worker} cannot import the project: {about}; start it where it is installed"
                )
            different = [name for name in sorted(here | about) if about.get(name) != here.get(name)]
            if different:
                raise ClusterUnusable(
                    f"the worker {worker} has another {' and another '.join(different)} than this process; "
                    "install the same on both"
                )
            if workers[worker]["nthreads"] != 1:
                raise ClusterUnusable(
                    f"the worker {worker} has {workers[worker]['nthreads']} threads, and runs of the checker "
                    f"share no process; start it with `{_START}`"
                )
        return tuple(sorted(workers))


_START = "dask worker --nthreads 1 --no-nanny ADDRESS"
_LIKE = "the address is like tcp://HOST:8786"


def _silent(line: str) -> None:
    """Say nothing."""
    del line


def about_this_process() -> dict[str, str]:
    """What must be the same in each process of a cluster: Python, SQLite, the source and the libraries."""
    version = ".".join(map(str, sys.version_info[:3]))
    about = {"Python": version, "SQLite": sqlite3.sqlite_version, "source": source_digest(PACKAGES)}
    for library in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            about[library] = metadata.version(library)
    return about

"""The workers of a Dask scheduler share work, on any number of machines.

The answers are those of a pool on this machine, in the same order. A task whose worker is lost is done again
by another worker; an object that lives on a worker is not, and its loss is an error that names the worker.
Every worker must have the same Python and the same source as this process: else a number could be another's.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import islice
from typing import Any

from failure_modes.checker.support.errors import CallerError, MachineError, NotInstalled
from failure_modes.checker.support.interrupts import CHECK_EVERY_SECONDS, check
from failure_modes.checker.support.process_pool import Answer, Item
from failure_modes.checker.support.source import source_digest

CONNECT_SECONDS = 5.0
PACKAGES = ("model", "system", "failure_modes")


class ClusterUnusable(CallerError):
    """The cluster cannot be used. The message says what is wrong, and how it must be started."""


class ClusterWorkerLost(MachineError):
    """A worker of the cluster died, and its part of the result with it."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"the worker {worker} of the cluster was lost, and its part of the result with it")
        self.worker = worker


class Cluster:
    """A connection to a Dask scheduler. It ends with the `with` block; the cluster goes on."""

    def __init__(self, address: str) -> None:
        """Raises ClusterUnusable and NotInstalled."""
        try:
            self._dask: Any = import_module("distributed")
        except ImportError:
            raise NotInstalled(
                "--cluster needs Dask: pip install 'reliability-habits[cluster]', here and on each worker"
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # each loss is an error of ours
        try:
            self._client = self._dask.Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise ClusterUnusable(
                f"no Dask scheduler answers at {address} ({type(error).__name__}); "
                "the address is like tcp://HOST:8786"
            ) from None
        try:
            self.workers = self._usable(address)
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

        Raises KeyboardInterrupt between two answers, ClusterWorkerLost, and the error of the work.
        """
        most = unused_max or 2 * len(self.workers)
        left, asked = iter(items), deque[Any]()
        try:
            while True:
                check()
                drawn = [
                    self._client.submit(work, item, pure=False) for item in islice(left, most - len(asked))
                ]
                asked += drawn
                if not asked:
                    return
                yield self._result(asked[0])
                asked.popleft()
        finally:
            self._client.cancel(list(asked), force=True)

    def living(self, kind: type[Any], *arguments: object, worker: str) -> Any:
        """An object of that class that lives on that worker. Each call of a method returns a future."""
        future = self._client.submit(kind, *arguments, actor=True, workers=[worker], pure=False)
        return self._result(future)

    def is_there(self, worker: str) -> bool:
        """True if the scheduler still has that worker."""
        return worker in self._workers()

    def _result(self, future: Any) -> Any:
        """The result of a future. Raises KeyboardInterrupt, ClusterWorkerLost, and the error of the work."""
        while not future.done():
            check()
            with suppress(TimeoutError):
                self._dask.wait([future], timeout=CHECK_EVERY_SECONDS)
        try:
            return future.result()
        except self._dask.KilledWorker as error:
            raise ClusterWorkerLost(str(error.last_worker.address)) from None

    def _workers(self) -> dict[str, Any]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return workers

    def _usable(self, address: str) -> tuple[str, ...]:
        """The addresses of the workers, in order. Raises ClusterUnusable."""
        workers = self._workers()
        if not workers:
            raise ClusterUnusable(f"the cluster at {address} has no worker; start one with `{_START}`")
        here = about_this_process()
        for worker, about in sorted(self._client.run(about_this_process, on_error="return").items()):
            if isinstance(about, BaseException):
                raise ClusterUnusable(
                    f"the worker {worker} cannot import the project: {about}; start it where it is installed"
                )
            different = [name for name, value in about.items() if value != here[name]]
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


def about_this_process() -> dict[str, str]:
    """What must be the same in each process of a cluster: the Python version, and the project's source."""
    version = ".".join(map(str, sys.version_info[:3]))
    return {"Python": version, "source": source_digest(PACKAGES)}

"""The shards of a proof on a cluster: each lives on one worker, and is never begun again on another.

A shard that was begun again would have forgotten its states, and the counts would be wrong without a word.
So each call has a number, and a shard answers only the next one.
"""

from concurrent.futures import CancelledError
from typing import Any

from failure_modes.checker.proof.parallel import ShardServer
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.support.cluster import Cluster, ClusterWorkerLost
from failure_modes.checker.support.interrupts import CHECK_EVERY_SECONDS


class ClusterShard:
    """A shard on a worker of a cluster. The proof must be picklable, and its fault a function of a module."""

    def __init__(self, cluster: Cluster, worker: str, proof: Proof, number: int) -> None:
        self._cluster, self._worker = cluster, worker
        self._shard = cluster.living(NumberedCalls, proof, number, len(cluster.workers), worker=worker)
        self._calls = 0
        self._reply: Any = None

    def ask(self, what: str, *arguments: Any) -> None:
        """Have the worker call the method, and do not wait."""
        try:
            self._reply = self._shard.call(self._calls, what, arguments)
        except RuntimeError:  # the scheduler knows that the worker is gone, or is gone itself
            raise self._loss() from None
        self._calls += 1

    def answer(self) -> Any:
        """The value that the method returned.

        Raises the error that it raised, ClusterWorkerLost, and SchedulerLost.
        """
        while True:
            try:
                failed, reply = self._reply.result(timeout=CHECK_EVERY_SECONDS)
            except TimeoutError:
                if not self._cluster.is_there(self._worker):
                    raise ClusterWorkerLost(self._worker) from None
            except (CancelledError, OSError, RuntimeError, ValueError, KeyError):
                raise self._loss() from None
            else:
                if failed:
                    raise reply
                return reply

    def _loss(self) -> ClusterWorkerLost:
        """The error for a call that failed. Raises SchedulerLost if that is why."""
        self._cluster.is_there(self._worker)
        return ClusterWorkerLost(self._worker)

    def close(self) -> None:
        """Let go of the shard."""
        if self._cluster.is_there(self._worker):
            self.ask("close")
            self.answer()


class NumberedCalls:
    """The worker's side: a shard that answers its calls in order.

    The shard is made by the first call, since its database belongs to the thread that runs the calls.
    """

    def __init__(self, proof: Proof, number: int, shards: int) -> None:
        self._made_of = proof, number, shards
        self._server: ShardServer | None = None
        self._calls = 0

    def call(self, number: int, what: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        """Call the method. Returns True and the error, or False and the value. Raises RuntimeError."""
        if number != self._calls:
            raise RuntimeError(f"call {number} came to a shard that has answered {self._calls} calls")
        self._calls += 1
        if self._server is None:
            self._server = ShardServer(*self._made_of)
        try:
            return False, getattr(self._server, what)(*arguments)
        except Exception as error:
            return True, error


def cluster_shards(proof: Proof, cluster: Cluster) -> list[ClusterShard]:
    """One shard on each worker of the cluster."""
    return [ClusterShard(cluster, worker, proof, number) for number, worker in enumerate(cluster.workers)]

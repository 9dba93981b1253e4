"""FM_008 duplicate enqueue: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from system.policies import Idempotency
from system.policies.idempotency import Accepted
from system.queue import Queue
from system.store import Store


class NoKey(Idempotency):
    """Each enqueue is a job of its own: nobody can say that it is the same as another."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Add a job without a key."""
        del key
        return super().accept(
            store, key=None, payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )


def without_key(queue: Queue) -> Queue:
    """The queue without idempotency keys, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, idempotency=NoKey()))


FAILURE_MODE = FailureMode(
    title="duplicate enqueue",
    breaks="INV_001",
    trigger="the producer does not learn that its job was accepted, and asks again",
    policy="idempotency",
    swap=without_key,
    strategy=Strategy(weights=(("Step", 5), ("Enqueue", 2)), scope=Scope(workers=1), steps=15),
    bounds=Bounds(jobs=1, retries=1, ticks=1, crashes=1),
    must_reach=("a duplicate enqueue was refused",),
    shortest=9,
    states=90,
    switches_off="idempotency",
)

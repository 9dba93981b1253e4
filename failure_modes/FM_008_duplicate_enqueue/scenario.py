"""FM_008 duplicate enqueue: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Strategy
from system.policies import Accepted, Idempotency, Store


class NoKey(Idempotency):
    """Drops the key, so each enqueue adds a new job."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Add a job without a key."""
        del key
        return super().accept(
            store, key=None, payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )


def without_key(queue: Queue) -> Queue:
    """The queue without idempotency keys. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, idempotency=NoKey()))


FAILURE_MODE = FailureMode(
    title="duplicate enqueue",
    breaks="INV_001",
    trigger="the producer does not learn that its job was accepted, and enqueues it again",
    policy="idempotency",
    fault=without_key,
    scope=Scope(workers=1),
    strategy=Strategy(weights=(("Step", 5), ("Enqueue", 2)), steps=15),
    bounds=Bounds(jobs=1, retries=1, ticks=1, crashes=1),
    expected=Expected(shortest=9, states=90, must_reach=("a duplicate enqueue was refused",)),
)

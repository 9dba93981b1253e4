"""FM_012 external effect: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Settings, Strategy
from system.policies import ExternalKeys, Lease


class KeyForAttempt(ExternalKeys):
    """Gives each attempt its own key, so the gateway treats each attempt as a new request."""

    def key(self, lease: Lease) -> str:
        """The key of this attempt alone."""
        return f"attempt-{lease.execution.id}"


def with_a_key_for_each_attempt(queue: Queue) -> Queue:
    """The queue whose handlers call the gateway with a new key for each attempt. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, external=KeyForAttempt()))


FAILURE_MODE = FailureMode(
    title="external effect",
    breaks="INV_001",
    trigger="the gateway has charged, and the worker dies, fails or is too late before the job is committed",
    policy="external keys",
    fault=with_a_key_for_each_attempt,
    scope=Scope(settings=Settings(external=True)),
    strategy=Strategy(
        weights=(("Step", 6), ("Enqueue", 1), ("Tick", 1), ("Crash", 1), ("Fail", 1)),
        steps=20,
    ),
    bounds=Bounds(jobs=1, ticks=2, crashes=1, failures=1, reconciles=1),
    expected=Expected(shortest=8, states=2_760, must_reach=("the gateway recognised a key",)),
)

"""FM_003 retry storm: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Settings, Strategy
from system.policies import CircuitBreaker, Execution, Operation, Retry, RetryBudget, Transaction


class AtOnce(Retry):
    """Retries a failed job at once and without a limit."""

    def wait_ms(self, failed: Execution) -> int:
        """Do not wait."""
        del failed
        return 0

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Never give up."""
        del tx, last, operation, actor
        return False


def without_limits(queue: Queue) -> Queue:
    """The queue without backoff, jitter, budgets and breaker. Nothing else changes."""
    storming = evolve(queue.policies, retry=AtOnce(), budget=RetryBudget(), breaker=CircuitBreaker())
    return evolve(queue, policies=storming)


FAILURE_MODE = FailureMode(
    title="retry storm",
    breaks="INV_006",
    trigger="a handler fails again and again",
    policy="retry, retry budget and circuit breaker",
    fault=without_limits,
    scope=Scope(settings=Settings(jitter_seed=1, retries_max=1, failures_max=2), tick_seconds=(1,)),
    strategy=Strategy(
        weights=(("Step", 5), ("Enqueue", 1), ("Fail", 3), ("Tick", 1)),
        steps=20,
    ),
    bounds=Bounds(jobs=2, failures=2, ticks=1),
    expected=Expected(
        shortest=7,
        states=701,
        must_reach=("a retry was passed over", "the breaker opened", "the breaker closed"),
    ),
)

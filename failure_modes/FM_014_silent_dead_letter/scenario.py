"""FM_014 silent dead letter: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Settings, Strategy
from system.policies import Execution, Operation, Retry, Transaction


class BuriesInSilence(Retry):
    """Closes a job without attempts left, and writes no audit row."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Close the job, without an audit row."""
        del operation, actor
        if last.attempt < tx.job(last.job_id).attempts_max:
            return False
        tx.set_available(last.job_id, None)
        return True


def burying_in_silence(queue: Queue) -> Queue:
    """The queue without an audit row for buried jobs. Nothing else changes."""
    right = queue.policies.retry
    retry = BuriesInSilence(
        attempts_max=right.attempts_max,
        backoff_seconds=right.backoff_seconds,
        backoff_max_seconds=right.backoff_max_seconds,
    )
    return evolve(queue, policies=evolve(queue.policies, retry=retry))


FAILURE_MODE = FailureMode(
    title="silent dead letter",
    breaks="INV_005",
    trigger="the attempts of a job are spent",
    policy="retry",
    fault=burying_in_silence,
    scope=Scope(settings=Settings(attempts_max=1)),
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Fail", 1), ("Heartbeat", 1)),
        steps=15,
    ),
    bounds=Bounds(jobs=1, heartbeats=1, failures=1),
    expected=Expected(shortest=4, states=11, must_reach=("a handler failed", "a job was buried")),
)

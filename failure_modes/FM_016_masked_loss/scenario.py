"""FM_016 masked loss: the fault, and the strategy that finds it."""

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Settings, Strategy, without


def without_lease_and_retry(queue: Queue) -> Queue:
    """The queue without the policies lease and retry: it acknowledges on receipt, and never buries."""
    return without(("lease", "retry"), queue)


FAILURE_MODE = FailureMode(
    title="masked loss",
    breaks="INV_005",
    trigger="a worker dies during the last attempt of a job",
    policy="lease and retry",
    fault=without_lease_and_retry,
    scope=Scope(settings=Settings(attempts_max=1)),
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Crash", 1), ("Reconcile", 1)),
        steps=15,
    ),
    bounds=Bounds(jobs=1, crashes=2, reconciles=1),
    expected=Expected(
        shortest=3, states=18, must_reach=("a job was buried", "recovery aborted a stale execution")
    ),
)

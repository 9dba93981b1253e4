"""FM_017 reborn journal: the fault, and the strategy that finds it."""

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope, StoreKind
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.subject.pragmas import with_pragmas
from system.queue import Queue


def as_sqlite_comes(queue: Queue) -> Queue:
    """The queue with SQLite's own defaults for a commit, and all else as it was."""
    return with_pragmas(queue, "journal_mode = DELETE", "synchronous = FULL")


FAILURE_MODE = FailureMode(
    title="reborn journal",
    breaks="INV_003",
    trigger="power fails after a commit removed the rollback journal, and before the folder was synced",
    policy="store's settings",
    swap=as_sqlite_comes,
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1), ("PowerLoss", 1)),
        scope=Scope(power_loss=True),
        steps=15,
    ),
    bounds=Bounds(jobs=1, ticks=1, power_losses=2),
    must_reach=("power was lost", "a lease expired"),
    shortest=2,
    states=171,
    not_on={StoreKind.POSTGRESQL: "it has no rollback journal"},
)

"""FM_017 reborn journal: the fault, and the strategy that finds it."""

from failure_modes.checker import (
    Bounds,
    Expected,
    FailureMode,
    Queue,
    Scope,
    StoreKind,
    Strategy,
    with_pragmas,
)


def as_sqlite_comes(queue: Queue) -> Queue:
    """The queue with SQLite's own defaults for a commit. Nothing else changes."""
    return with_pragmas(queue, "journal_mode = DELETE", "synchronous = FULL")


FAILURE_MODE = FailureMode(
    title="reborn journal",
    breaks="INV_003",
    trigger="power fails after a commit removed the rollback journal, and before the folder was synced",
    policy="store's settings",
    fault=as_sqlite_comes,
    scope=Scope(power_loss=True),
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1), ("PowerLoss", 1)),
        steps=15,
    ),
    bounds=Bounds(jobs=1, ticks=1, power_losses=2),
    expected=Expected(shortest=2, states=171, must_reach=("power was lost", "a lease expired")),
    not_on={StoreKind.POSTGRESQL: "it has no rollback journal"},
)

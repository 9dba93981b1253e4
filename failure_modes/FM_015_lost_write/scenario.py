"""FM_015 lost write: the fault, and the strategy that finds it."""

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope, StoreKind
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.subject.pragmas import unsynced

FAILURE_MODE = FailureMode(
    title="lost write",
    breaks="INV_003",
    trigger="power fails after a commit was acknowledged and before the disk was told to keep it",
    policy="store's settings",
    swap=unsynced,
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1), ("PowerLoss", 1)),
        scope=Scope(power_loss=True),
        steps=15,
    ),
    bounds=Bounds(jobs=1, ticks=1, power_losses=2),
    must_reach=("power was lost", "a lease expired"),
    shortest=2,
    states=171,
    not_on={
        StoreKind.POSTGRESQL: "what a server tells its disk is not watched; there chaos shows it: "
        "chaos --store postgresql --fault FM_015"
    },
)

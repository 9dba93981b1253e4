"""FM_015 lost write: the fault, and the strategy that finds it."""

from failure_modes.checker import Bounds, Expected, FailureMode, Scope, StoreKind, Strategy, unsynced

FAILURE_MODE = FailureMode(
    title="lost write",
    breaks="INV_003",
    trigger="power fails after a commit was acknowledged and before the disk was told to keep it",
    policy="store's settings",
    fault=unsynced,
    scope=Scope(power_loss=True),
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1), ("PowerLoss", 1)),
        steps=15,
    ),
    bounds=Bounds(jobs=1, ticks=1, power_losses=2),
    expected=Expected(shortest=2, states=171, must_reach=("power was lost", "a lease expired")),
    not_on={
        StoreKind.POSTGRESQL: "the syncs of a server are not recorded; chaos shows the break: "
        "chaos --store postgresql --fault FM_015"
    },
)

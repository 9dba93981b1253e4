"""What one action changes, as a value; and the snapshot that has the change made.

Two states that agree in the store, the time and the process that moves have the same change. So a proof
works a change out once, and makes it in all of them.
"""

from collections.abc import Callable

from attrs import evolve, frozen

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.ledger import LedgerSnapshot, still_stale, with_earlier
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.oracle.system_side import SystemSnapshot
from failure_modes.checker.proof.footprint import Footprint
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import AT_REST, ProcessSnapshot
from model.actions import Action, Enqueue, PowerLoss, actor_of
from model.events import Event
from model.invariants import InjectedFault, condensed
from model.load import Load
from model.rollback import earlier_after_commit
from model.state import Durable, State, Worker


@frozen(kw_only=True)
class DeadEnd:
    """A path that ends: what was found there, or the invariant that broke instead of the target."""

    finding: Finding | None = None
    off_target: str | None = None


@frozen(kw_only=True, eq=False)
class StateChange:
    """What one action changed.

    `process` and `worker` are the process that moved and the model's worker of that name, after the action.
    `events` and `faults` are those that the action added. `released`: a lock was released.
    """

    content: Content
    durable: Durable
    elapsed_ms: int
    process: ProcessSnapshot | None
    worker: Worker | None
    changed_at: int
    accepted: tuple[Enqueue, ...]
    events: tuple[Event, ...]
    faults: tuple[InjectedFault, ...]
    load: Load
    diverged: Finding | None
    released: bool
    committed: bool
    footprint: Footprint
    snapshot: Snapshot | None = None
    """The state after the action, where it cannot be made up from what changed."""


def changed(
    before: Snapshot,
    action: Action,
    change: StateChange,
    names: tuple[str, ...],
    same: Callable[[ProcessSnapshot], ProcessSnapshot],
) -> Snapshot:
    """The state after the change. `names` are the processes; `same` gives the object kept for equal ones."""
    if change.snapshot is not None:
        return change.snapshot
    name = actor_of(action)
    now = before.system.now + change.elapsed_ms
    system = SystemSnapshot(
        content=change.content,
        durable=change.durable,
        now=now,
        processes=_processes(before.system.processes, action, name, change, names, same),
        skews=before.system.skews,
    )
    state = before.state if change.diverged is None else None
    return Snapshot(
        system=system,
        state=None if state is None else _model_state(state, action, name, change, now),
        ledger=_ledger(before.ledger, change),
        diverged=before.diverged or change.diverged,
    )


def _processes(
    before: tuple[ProcessSnapshot, ...],
    action: Action,
    name: str | None,
    change: StateChange,
    names: tuple[str, ...],
    same: Callable[[ProcessSnapshot], ProcessSnapshot],
) -> tuple[ProcessSnapshot, ...]:
    """The processes after the change. A lock that was released lets all that waited for one go on."""
    if isinstance(action, PowerLoss):
        return (AT_REST,) * len(before)
    if name is None and not change.released:
        return before
    return tuple(
        [
            change.process
            if moves == name and change.process is not None
            else same(evolve(process, waits=False))
            if process.waits and change.released
            else process
            for moves, process in zip(names, before, strict=True)
        ]
    )


def _model_state(before: State, action: Action, name: str | None, change: StateChange, now: int) -> State:
    workers = before.workers
    if isinstance(action, PowerLoss):
        workers = tuple([Worker(name=worker.name) for worker in workers])
    elif change.worker is not None:
        workers = tuple([change.worker if worker.name == name else worker for worker in workers])
    return State(
        settings=before.settings,
        workers=workers,
        durable=change.durable,
        now=now,
        changed_at=change.changed_at,
        earlier=earlier_after_commit(before) if change.events else before.earlier,
    )


def _ledger(before: LedgerSnapshot, change: StateChange) -> LedgerSnapshot:
    events, faults = before.events, before.faults
    if (
        not (change.events or change.faults)
        and change.accepted is before.accepted
        and change.load is before.load
    ):
        return before
    if change.events or change.faults:
        events, faults = condensed((*events, *change.events), (*faults, *change.faults))
    return LedgerSnapshot(
        accepted=change.accepted,
        events=events,
        faults=faults,
        load=change.load,
        stale=still_stale(before.stale, change.events),
        earlier=with_earlier(before).earlier if change.events else before.earlier,
    )

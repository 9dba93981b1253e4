"""What one action changes, as a value; and the state that has the change made.

Two states that agree in the store, the time and the process that moves have the same change. So a proof
works a change out once, and makes it in all of them.
"""

from collections.abc import Callable
from typing import NamedTuple

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
from model.state import Durable, Settings, State, Worker


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


class Parts(NamedTuple):
    """The parts of a state: enough to look it up, and to make its snapshot if it is new.

    `model` has the model's workers and the time of its last change; None where the system has diverged.
    """

    content: Content
    durable: Durable
    now: int
    skews: tuple[tuple[str, int], ...]
    processes: tuple[ProcessSnapshot, ...]
    model: tuple[tuple[Worker, ...], int] | None
    earlier: tuple[Durable, ...] | None
    ledger: LedgerSnapshot
    diverged: Finding | None
    extra: tuple[object, ...] = ()


def parts_of(snapshot: Snapshot) -> Parts:
    """The parts of a snapshot, without its `path`."""
    system, state = snapshot.system, snapshot.state
    return Parts(
        system.content,
        system.durable,
        system.now,
        system.skews,
        system.processes,
        None if state is None else (state.workers, state.changed_at),
        None if state is None else state.earlier,
        snapshot.ledger,
        snapshot.diverged,
        system.extra,
    )


def parts_after(
    before: Snapshot,
    action: Action,
    change: StateChange,
    names: tuple[str, ...],
    same: Callable[[ProcessSnapshot], ProcessSnapshot],
    fresh: tuple[Worker, ...],
) -> Parts:
    """The parts after the change.

    `names` are the processes; `same` gives the object kept for equal ones. `fresh` are the model's workers
    at the start.
    """
    name, system, state = actor_of(action), before.system, before.state
    model = earlier = None
    if state is not None and change.diverged is None:
        workers = fresh if isinstance(action, PowerLoss) else _workers(state.workers, name, change)
        model = workers, change.changed_at
        earlier = earlier_after_commit(state) if change.events else state.earlier
    return Parts(
        change.content,
        change.durable,
        system.now + change.elapsed_ms,
        system.skews,
        _processes(system.processes, action, name, change, names, same),
        model,
        earlier,
        _ledger(before.ledger, change),
        before.diverged or change.diverged,
    )


def snapshot_of(parts: Parts, settings: Settings) -> Snapshot:
    """The state that has these parts."""
    state = None
    if parts.model is not None:
        workers, changed_at = parts.model
        state = State(
            settings=settings,
            workers=workers,
            durable=parts.durable,
            now=parts.now,
            changed_at=changed_at,
            earlier=parts.earlier,
        )
    system = SystemSnapshot(
        content=parts.content,
        durable=parts.durable,
        now=parts.now,
        processes=parts.processes,
        skews=parts.skews,
    )
    return Snapshot(system=system, state=state, ledger=parts.ledger, diverged=parts.diverged)


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
    if not change.released:  # none but the process that moved is elsewhere
        if name is None or change.process is None:
            return before
        at = names.index(name)
        return (*before[:at], change.process, *before[at + 1 :])
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


def _workers(before: tuple[Worker, ...], name: str | None, change: StateChange) -> tuple[Worker, ...]:
    """The model's workers after the change."""
    if change.worker is None:
        return before
    return tuple([change.worker if worker.name == name else worker for worker in before])


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

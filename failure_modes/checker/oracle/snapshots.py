"""Where a run stands, as a value; and how a run is brought back there.

Most worlds are put back by their content and by where their processes stood. What lies at a server (a
statement that waits, the locks of an open transaction, a ghost) cannot be put back so. There the way that led
there is gone again, from the start; and it is looked at whether it led to the same place.
"""

from collections import Counter
from typing import Protocol

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.records import Record, Snapshot
from failure_modes.checker.oracle.visibility import Giving
from failure_modes.checker.simulation.stepping import NotTheSame
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.abstraction import Told
from model.actions import Action, Enqueue
from model.events import Event
from model.invariants import Fault, condensed
from model.load import Load
from model.state import Durable, State


class Restorable(Protocol):
    """A run, as far as it is restored."""

    world: World
    state: State | None
    durable: Durable
    events: list[Event]
    records: list[Record]
    actions: list[Action]
    accepted: list[Enqueue]
    faults: list[Fault]
    load: Load
    sometimes: Counter[str]
    parted: Finding | None
    aside: str | None
    told: Told
    giving: Giving
    recovering: bool

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        ...

    def begin(self) -> None:
        """Be where nothing has happened yet."""
        ...

    def apply(self, action: Action) -> Record:
        """Do it."""
        ...


def snapshot_of(run: Restorable) -> Snapshot:
    """Where the run stands."""
    events, faults = condensed(tuple(run.events), tuple(run.faults))
    again = run.world.replays
    return Snapshot(
        content=run.world.content(),
        durable=run.durable,
        now=run.now,
        standings=tuple([process.stands() for process in run.world.processes.values()]),
        state=run.state,
        accepted=tuple(run.accepted),
        events=events,
        faults=faults,
        load=run.load,
        parted=run.parted,
        path=tuple(run.actions) if again else (),
        beyond=(*run.giving.beyond(run.now), *run.world.beyond()) if again else (),
    )


def put_back(run: Restorable, there: Snapshot) -> None:
    """Let the run stand there. Raises NotTheSame if the same way leads elsewhere."""
    if run.world.replays:
        _go_again(run, there)
        return
    run.world.put_back(there.content, there.now, there.standings)
    run.durable, run.state, run.parted, run.aside = there.durable, there.state, there.parted, None
    run.events, run.faults, run.accepted = list(there.events), list(there.faults), list(there.accepted)
    run.load = there.load
    run.records, run.actions, run.recovering = [], [], False
    run.told = Told(run.world.audit_before(there.content))
    run.sometimes.clear()


def _go_again(run: Restorable, there: Snapshot) -> None:
    run.world.start_over()
    run.begin()
    for action in there.path:
        run.apply(action)
    standings = tuple([process.stands() for process in run.world.processes.values()])
    if (standings, run.durable) != (there.standings, there.durable):
        raise NotTheSame(f"the same {len(there.path)} actions led to another place than before")
    run.records = []
    run.sometimes.clear()

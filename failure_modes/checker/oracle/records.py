"""What a run leaves behind: what each action did, where it stands, and what a step from there changes."""

from attrs import frozen

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.footprint import Footprint
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import Standing
from model import invariants
from model.actions import Action, Enqueue
from model.events import Event, Outcome
from model.invariants import Fault
from model.load import Load
from model.state import Durable, Settings, State, Worker


@frozen(kw_only=True)
class Record:
    """What one action did. `model` is None where the model took no step (or was left behind)."""

    action: Action
    now: int
    model: Outcome | None
    events: tuple[Event, ...]
    ran: str | None
    committed: bool
    blocked: bool
    passed_over: bool
    """Whether it looked for jobs and did not see one that another transaction held."""
    before: Durable
    after: Durable
    recovering: bool


def change_of(
    record: Record, *, actor: str | None, read_at: int | None, load: Load, settings: Settings
) -> invariants.Change:
    """What an invariant judges of an action. `read_at` is the time that it read, if it read one."""
    return invariants.Change(
        before=record.before,
        after=record.after,
        events=record.events,
        actor=actor or "time",
        at=record.now if read_at is None else read_at,
        load=load,
        settings=settings,
    )


@frozen(kw_only=True, eq=False)
class Snapshot:
    """All that the future of a run depends on. `events` and `faults` are `condensed`."""

    content: Content
    durable: Durable
    now: int
    standings: tuple[Standing, ...]
    state: State | None
    accepted: tuple[Enqueue, ...]
    events: tuple[Event, ...]
    faults: tuple[Fault, ...]
    load: Load
    parted: Finding | None
    path: tuple[Action, ...] = ()
    """The actions that led here, where only they can lead here again."""
    beyond: object = ()
    """What the future depends on besides, in such a world; as a value that is told by its text."""


@frozen(kw_only=True)
class Ends:
    """A way that cannot be gone on: what was found, or the invariant that broke instead of the hunted one."""

    finding: Finding | None = None
    aside: str | None = None


@frozen(kw_only=True, eq=False)
class Change:
    """What one action changed."""

    content: Content
    durable: Durable
    passed: int
    standing: Standing | None
    worker: Worker | None
    changed_at: int
    accepted: tuple[Enqueue, ...]
    events: tuple[Event, ...]
    faults: tuple[Fault, ...]
    load: Load
    parted: Finding | None
    released: bool
    committed: bool
    footprint: Footprint
    whole: Snapshot | None = None
    """The state after it, in a world where it cannot be made up from what changed."""

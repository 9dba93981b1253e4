"""What a run leaves behind: what each action did, and where it stands."""

from attrs import frozen

from failure_modes.checker.content import Content
from failure_modes.checker.findings import Finding
from failure_modes.checker.standing import Standing
from model.actions import Action
from model.invariants import Fault
from model.state import Durable, State
from model.step import Event, Outcome


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
    before: Durable
    after: Durable
    recovering: bool


@frozen(kw_only=True, eq=False)
class Snapshot:
    """All that the future of a run depends on. `events` and `faults` are `condensed`."""

    content: Content
    durable: Durable
    now: int
    standings: tuple[Standing, ...]
    state: State | None
    accepted: tuple[str, ...]
    events: tuple[Event, ...]
    faults: tuple[Fault, ...]
    parted: Finding | None

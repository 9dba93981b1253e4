"""INV_003 beyond the status: who holds a lease, until when, and that an execution stays the one it is."""

import pytest
from attrs import evolve

from model.events import Event
from model.invariants import Change
from model.invariants.changes import explicit_transitions
from model.state import Execution, Status
from tests.model.rows import AT, DONE, EXEC, EXPIRES, RUNNING, audit, rows

STARTED = audit("started", "start", Status.LEASED, Status.IN_PROGRESS)
STOLEN = evolve(STARTED, actor="B")
LATER = evolve(RUNNING, lease_expires_at=EXPIRES + 1)
EARLIER = evolve(RUNNING, lease_expires_at=EXPIRES - 1)
EXTENDED = audit("extended", "heartbeat", Status.IN_PROGRESS, Status.IN_PROGRESS)
OTHER = "started made it another execution: its job, attempt or worker changed"


def _breach(old: Execution, new: Execution, *events: Event, actor: str = "A") -> str | None:
    change = Change(before=rows(old), after=rows(new), events=events, actor=actor, at=AT)
    return explicit_transitions(change)


@pytest.mark.parametrize(
    ("old", "new", "events", "actor", "text"),
    [
        (
            EXEC,
            evolve(RUNNING, worker="B"),
            [evolve(STARTED, actor="B")],
            "B",
            "started by B, and the holder is A",
        ),
        (EXEC, evolve(RUNNING, worker="B"), [STARTED], "A", OTHER),
        (EXEC, evolve(RUNNING, attempt=2), [STARTED], "A", OTHER),
        (
            EXEC,
            evolve(RUNNING, lease_expires_at=EXPIRES + 1),
            [STARTED],
            "A",
            "started moved the end of its lease by",
        ),
        (
            RUNNING,
            evolve(RUNNING, lease_expires_at=EXPIRES - 1),
            [EXTENDED],
            "A",
            "extended moved the end of its lease",
        ),
        (EXEC, RUNNING, [STARTED, STARTED], "A", "LEASED -> IN_PROGRESS has 2 audit rows"),
        (RUNNING, RUNNING, [evolve(EXTENDED, actor="Z")], "Z", "extended by Z, and the holder is A"),
        (DONE, DONE, [audit("extended", "heartbeat", Status.DONE, Status.DONE)], "A", "DONE is terminal"),
        (RUNNING, RUNNING, [STARTED], "A", "the audit says started, and nothing changed"),
    ],
)
def test_a_lease_is_not_stolen_bent_or_recorded_twice(
    old: Execution, new: Execution, events: list[Event], actor: str, text: str
) -> None:
    """A transition that changes more than it may, or that another than the holder makes, is a breach."""
    assert text in (_breach(old, new, *events, actor=actor) or "nothing")


def test_a_heartbeat_in_the_millisecond_of_the_lease_changes_nothing_and_breaks_nothing() -> None:
    """An extension to the time that the lease had is one all the same."""
    assert _breach(RUNNING, RUNNING, EXTENDED) is None
    assert _breach(RUNNING, evolve(RUNNING, lease_expires_at=EXPIRES + 5), EXTENDED) is None

"""Each half of an oracle, with a breakage that this half alone sees.

A `Half` has a breakage (a queue that is wrong in one thing, or a model that is), a short schedule, and a way
to take the half out of its oracle. `test_halves.py` runs the schedule twice: with the half the breakage is
found, and without the half nothing is found. `docs/breakages.md` lists them.
"""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, fields, frozen

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.reference import Reference
from failure_modes.checker.oracle.run import play
from model.actions import Action, Crash, Enqueue, Fail, Heartbeat, Reconcile, Step, Tick
from model.events import Event
from model.state import Durable
from system.sqlite import SQLiteTransaction
from tests.checker.oracle.test_breakages import transactions

Patch = Callable[[pytest.MonkeyPatch], None]

K1, K2, A = Enqueue(key="k1"), Enqueue(key="k2"), Step(worker="A")
LEASE_ENDS = Tick(seconds=30)
BEAT, FAIL, DIES = Heartbeat(worker="A"), Fail(worker="A"), Crash(worker="A")
RECONCILE = Reconcile()
USUAL = Scope()


def _no_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch


@frozen(kw_only=True)
class Half:
    """One half of an oracle, and a breakage that no other part of the checker sees on this schedule.

    `plant` breaks the model, or a part of the system that a fault cannot reach; `blind` takes the half out.
    `sees` is what the finding says. `ending`: the liveness run follows the schedule.
    """

    oracle: str
    half: str
    breakage: str
    actions: tuple[Action, ...]
    blind: Patch
    sees: str
    fault: Fault = guarded
    plant: Patch = _no_patch
    scope: Scope = USUAL
    target: Target | None = None
    ending: bool = False

    @property
    def name(self) -> str:
        """The oracle and the half."""
        return f"{self.oracle}: {self.half}"

    def found(self) -> Finding | None:
        """What a run of the schedule finds."""
        lockstep = Lockstep(self.scope, self.fault, target=self.target)
        played = play(lockstep, self.actions, ending=self.ending)
        assert not played.skipped
        return played.found.finding if played.found else None


def without_event_fields(*names: str) -> Patch:
    """The comparison of audit rows, without some of their columns."""
    usual: Any = Reference.difference
    nothing: dict[str, Any] = dict.fromkeys(names)

    def stripped(events: tuple[Event, ...]) -> tuple[Event, ...]:
        return tuple([evolve(event, **nothing) for event in events])

    def difference(self: Reference, record: Any) -> Any:
        model = record.model and evolve(record.model, events=stripped(record.model.events))
        return usual(self, evolve(record, events=stripped(record.events), model=model))

    return lambda monkeypatch: monkeypatch.setattr(Reference, "difference", difference)


def without_rows(strip: Callable[[Durable], Durable]) -> Patch:
    """The comparison of durable rows, without what `strip` takes away on both sides."""
    usual: Any = Reference.difference

    def difference(self: Reference, record: Any) -> Any:
        ours = self.state
        if ours is None:
            return None
        self.state = evolve(ours, durable=strip(ours.durable))
        try:
            return usual(self, evolve(record, after=strip(record.after)))
        finally:
            self.state = ours

    return lambda monkeypatch: monkeypatch.setattr(Reference, "difference", difference)


def without_column(table: str, column: str) -> Patch:
    """The comparison of durable rows, without one column of a table."""

    def strip(durable: Durable) -> Durable:
        found: tuple[Any, ...] = getattr(durable, table)
        values: dict[str, Any] = {table: tuple([evolve(row, **{column: None}) for row in found])}
        return evolve(durable, **values)

    return without_rows(strip)


def audited(event: str, place: int, value: object) -> Fault:
    """The audit rows of one event have this value in one of their columns."""

    class Audits(SQLiteTransaction):
        """Writes one column of the audit otherwise."""

        def _audit(self, *row: Any) -> None:
            columns = list(row)
            if str(columns[2]) == event:
                columns[place] = value
            super()._audit(*columns)

    return transactions(Audits)


class _AtAnotherTime(SQLiteTransaction):
    """The audit row of an enqueue has another time."""

    def _audit(self, *row: Any) -> None:
        later = evolve(self, now=self.now + 1) if str(row[2]) == "enqueued" else self
        SQLiteTransaction._audit(later, *row)  # noqa: SLF001 (of its own class)


class _Twice(SQLiteTransaction):
    """An enqueue has two audit rows."""

    def _audit(self, *row: Any) -> None:
        super()._audit(*row)
        if str(row[2]) == "enqueued":
            super()._audit(*row)


def once(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events without what is there twice."""
    return tuple(dict.fromkeys(events))


def without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of audit rows, without how often each is there."""
    usual: Any = Reference.difference
    monkeypatch.setattr(
        Reference,
        "difference",
        lambda self, record: usual(self, evolve(record, events=once(record.events))),
    )


def _of_event(column: str, fault: Fault, actions: tuple[Action, ...] = (K1,)) -> Half:
    return Half(
        oracle="lock-step, audit rows",
        half=column,
        breakage=f"the audit row of an enqueue has another `{column}`",
        fault=fault,
        actions=actions,
        blind=without_event_fields(column),
        sees="",
    )


EVENTS = (
    _of_event("actor", audited("enqueued", 0, "B")),
    _of_event("operation", audited("enqueued", 1, "lease")),
    _of_event("event", audited("enqueued", 2, "closed")),
    _of_event("job", audited("enqueued", 3, 1), (K1, K2)),
    evolve(
        _of_event("execution", audited("duplicate", 4, 1), (K1, A, K1)),
        breakage="the audit row of a duplicate has an `execution`",
    ),
    _of_event("before", audited("enqueued", 5, "LEASED")),
    _of_event("reason", audited("enqueued", 7, "abandoned")),
    _of_event("detail", audited("enqueued", 8, "?")),
    _of_event("at", transactions(_AtAnotherTime)),
    Half(
        oracle="lock-step, audit rows",
        half="their number",
        breakage="an enqueue has its audit row twice",
        fault=transactions(_Twice),
        actions=(K1,),
        blind=without_repeats,
        sees="",
    ),
)
"""All columns but `after`: a row that has one is a change, and INV_003 judges that, too."""

EVENT_FIELDS = tuple([field.name for field in fields(Event)])

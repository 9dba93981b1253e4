"""The halves of fidelity: a run with real processes that differs in one thing is noticed, whatever that is.

No real process runs. The second run is simulated, too, and one column of its records, or its rows, or its
end, is altered.
"""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.real import fidelity
from failure_modes.checker.real.fidelity import Schedule, compare
from failure_modes.checker.simulation.process_snapshot import StepResult
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.worlds import world_of
from model.actions import Enqueue, Step, Tick
from model.state import Durable

ACTIONS = (Enqueue(key="k1"), Step(worker="A"), Step(worker="A"))
SCHEDULE = Schedule(name="a job", scope=Scope(), fault=guarded, target=None, actions=ACTIONS)
RECORDS: dict[str, dict[str, Any]] = {
    "action": {"action": Tick(seconds=1)},
    "statement": {"moved": StepResult(ran="SELECT 1", committed=True, changed=True)},
    "committed": {"moved": StepResult(ran="COMMIT", changed=True)},
    "blocked": {"moved": StepResult(ran="COMMIT", committed=True, changed=True, blocked=True)},
    "events": {"events": ()},
    "after": {"after": Durable()},
}
"""What is altered in the record of a step: one of the columns that are compared."""


class _Altered:
    """Makes a second world. The lock-step of that world ends with another record of its second step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
        self._second: World | None = None
        altered = self

        class Altering(Lockstep):
            """Alters the record when the run is over."""

            def finish(self, order: tuple[str, ...] = ()) -> None:
                super().finish(order)
                if self.world is altered._second:
                    self.ledger.records[1] = evolve(self.ledger.records[1], **values)

        monkeypatch.setattr(fidelity, "Lockstep", Altering)

    def __call__(self, scope: Scope, fault: Fault) -> World:
        self._second = world_of(scope, fault)
        return self._second


def test_two_simulated_runs_do_not_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what differs below is what was altered."""
    assert compare(SCHEDULE, _Altered(monkeypatch)).difference is None


@pytest.mark.parametrize("column", RECORDS)
def test_each_column_of_a_step_is_compared(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is equal, the rows at the end included."""
    difference = compare(SCHEDULE, _Altered(monkeypatch, **RECORDS[column])).difference
    assert difference is not None
    assert difference.startswith("step 2: ")


def _with(monkeypatch: pytest.MonkeyPatch, schedule: Schedule, **values: Any) -> str | None:
    """What differs if the second of two equal runs had these values."""
    usual: Any = vars(fidelity)["_run"]

    def run(of: Schedule, make: Any) -> Any:
        found = usual(of, world_of)
        return (
            found
            if make is world_of
            else evolve(found, **{name: of_run(found) for name, of_run in values.items()})
        )

    monkeypatch.setattr(fidelity, "_run", run)
    return compare(schedule).difference


def test_the_rows_at_the_end_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that no step has read would be seen by nothing else."""
    difference = _with(monkeypatch, SCHEDULE, rows=lambda _: ())
    assert (difference or "").startswith("rows at the end: ")


def test_the_pause_point_of_each_process_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes may be paused elsewhere although each has done the same."""
    difference = _with(
        monkeypatch, SCHEDULE, steps=lambda run: (*run.steps[:2], (*run.steps[2][:-1], ()), *run.steps[3:])
    )
    assert (difference or "").startswith("step 3: ")


def test_the_number_of_steps_and_the_end_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has one step more, or that breaks something, is another run."""
    more = _with(monkeypatch, SCHEDULE, steps=lambda run: (*run.steps, "one more"))
    assert more is not None
    assert "real" in more
    monkeypatch.undo()
    broke = _with(monkeypatch, SCHEDULE, steps=lambda run: (*run.steps[:-1], "INV_001"))
    assert (broke or "").endswith("real INV_001")


def test_two_equal_runs_are_not_enough() -> None:
    """The guarded system must hold in both, and the broken one must break: else nothing was compared."""
    target = evolve(SCHEDULE, target=Target("INV_001"))
    assert compare(target, world_of).difference == "the broken system did not break"


def test_a_guarded_system_that_breaks_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although both runs break alike."""
    usual: Any = vars(fidelity)["_run"]

    def run(schedule: Schedule, make: Any) -> Any:
        found = usual(schedule, make)
        return evolve(found, steps=(*found.steps[:-1], "INV_001"))

    monkeypatch.setattr(fidelity, "_run", run)
    assert compare(SCHEDULE, world_of).difference == "the guarded system broke: INV_001"


def test_the_record_that_is_altered_is_else_the_same() -> None:
    """The second step ends with its commit."""
    with Lockstep(SCHEDULE.scope) as lockstep:
        for action in ACTIONS:
            lockstep.apply(action)
        record = lockstep.ledger.records[1]
    assert (record.statement, record.committed, record.blocked) == ("COMMIT", True, False)
    assert record.moved.changed

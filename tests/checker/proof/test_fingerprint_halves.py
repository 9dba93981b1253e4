"""The parts of a fingerprint that only a broken system needs: each alone tells two states apart.

In the guarded system these parts follow from the rows. In a system with a fault they do not: the two traces
of a row lead to states that differ in this part alone. Without the part both have one fingerprint, so a proof
would go on from one of them, and never look at the other.
"""

from typing import Any

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import tolerating_others
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.endings import Endings
from failure_modes.checker.proof.nodes import Nodes
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from model.actions import RECONCILER, Action, Crash, Enqueue, Heartbeat, Reconcile, Rollback, Step, Tick
from model.load import Load
from model.state import Settings
from system.sqlite import SQLiteTransaction
from system.store import Job
from tests.checker.oracle.test_breakages import transactions
from tests.checker.proof.explorer_halves import Patch, without, without_table

A, B = Step(worker="A"), Step(worker="B")
K1, K2, SECOND, LEASE_ENDS = Enqueue(key="k1"), Enqueue(key="k2"), Tick(seconds=1), Tick(seconds=30)
BEAT, A_DIES, BACK = Heartbeat(worker="A"), Crash(worker="A"), Rollback(commits=1)
EXTENDED = (K1, A, A, SECOND, BEAT, A_DIES)
"""A lease that began a second ago, and was extended now. Its worker is dead, and remembers nothing."""
LEASED_LATER = (K1, SECOND, A, A, A_DIES)
"""The same rows: the lease began now."""


class _OneKey(SQLiteTransaction):
    """Each job has the same key and payload, whatever was asked for: the model diverges at once."""

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        job = super().add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
        self._run("UPDATE jobs SET key = 'k', payload = '1' WHERE id = ?", job.id)
        return job


class _NoDuplicates(SQLiteTransaction):
    """A duplicate has no audit row."""

    def _audit(self, *row: Any) -> None:
        if str(row[2]) != "duplicate":
            super()._audit(*row)


class _BuriesInSilence(_OneKey):
    """The reconciliation gives a job up without an audit row."""

    def _audit(self, *row: Any) -> None:
        if (str(row[0]), str(row[2])) != (RECONCILER, "buried"):
            super()._audit(*row)


class _ForgetsRetries(SQLiteTransaction):
    """No retry is remembered."""

    def add_retry(self, *, forget_until: int) -> None:
        """Write nothing."""


class _BeatIsRetry(_OneKey):
    """A heartbeat counts as a retry."""

    def _audit(self, *row: Any) -> None:
        super()._audit(*row)
        if str(row[2]) == "extended":
            self.add_retry(forget_until=0)


class _BeatIsFailure(_OneKey):
    """A heartbeat counts as a failure."""

    def _audit(self, *row: Any) -> None:
        super()._audit(*row)
        if str(row[2]) == "extended":
            self.set_breaker(evolve(self.breaker(), failures=1))


USUAL = Settings()


@frozen(kw_only=True)
class Part:
    """Two traces that lead to states that differ in one part.

    `ends_badly`: the ends of the two differ, after the actions `then`.
    """

    fault: Fault
    one: tuple[Action, ...]
    other: tuple[Action, ...]
    blind: Patch
    settings: Settings = USUAL
    ends_badly: tuple[bool, bool] | None = None
    then: tuple[Action, ...] = ()
    rollback: bool = False


def _without_noted(**values: Any) -> Patch:
    def strip(snapshot: Snapshot) -> Snapshot:
        return evolve(snapshot, ledger=evolve(snapshot.ledger, **values))

    return without(strip)


PARTS = {
    "the keys that were accepted": Part(
        fault=transactions(_OneKey), one=(K1,), other=(K2,), blind=_without_noted(accepted=())
    ),
    "the jobs whose end the audit has told": Part(
        fault=transactions(_BuriesInSilence),
        one=(K1, A, LEASE_ENDS, Reconcile()),
        other=(K1, A, LEASE_ENDS, B, B),
        blind=_without_noted(events=()),
        settings=Settings(attempts_max=1),
        ends_badly=(True, False),
    ),
    "what was noted before the last commits": Part(
        fault=transactions(_NoDuplicates),
        one=(K1, K1, K2),
        other=(K1, K2, K1),
        blind=_without_noted(earlier=()),
        ends_badly=(True, False),
        then=(BACK,),
        rollback=True,
    ),
    "the load of retries": Part(
        fault=transactions(_ForgetsRetries),
        one=(K1, B, LEASE_ENDS, *EXTENDED[1:]),
        other=(K1, B, LEASE_ENDS, *LEASED_LATER[1:]),
        blind=_without_noted(load=Load()),
        settings=Settings(retries_max=1),
    ),
    "the rows of retries": Part(
        fault=transactions(_BeatIsRetry),
        one=EXTENDED,
        other=LEASED_LATER,
        blind=without_table("retries"),
        settings=Settings(retries_max=1),
    ),
    "the row of the breaker": Part(
        fault=transactions(_BeatIsFailure),
        one=EXTENDED,
        other=LEASED_LATER,
        blind=without_table("breaker"),
        settings=Settings(failures_max=2),
    ),
}


def _reached(part: Part, trace: tuple[Action, ...]) -> tuple[bytes, bool]:
    """The fingerprint of the state that the trace leads to, without what is spent; True if it ends badly."""
    scope = Scope(settings=part.settings, rollback=part.rollback)
    walker = Successors(scope, part.fault, tolerating_others("INV_005"), memory=False)
    places = [walker.start]
    for action in (*trace, *part.then):
        change = walker.step(places[-1], action)
        assert not isinstance(change, DeadEnd)
        places.append(walker.after(places[-1], action, change))
    nodes = Nodes(walker, remembers=False)
    base = nodes.node(places[len(trace)]).base
    bad = part.ends_badly is not None and any(Endings(walker, nodes).of(nodes.node(places[-1])))
    walker.close()
    return base, bad


@pytest.mark.parametrize("name", PARTS)
def test_a_part_alone_tells_two_states_apart(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprints differ, and are equal without this part."""
    part = PARTS[name]
    one, other = _reached(part, part.one), _reached(part, part.other)
    assert one[0] != other[0]
    if part.ends_badly is not None:
        assert (one[1], other[1]) == part.ends_badly
    part.blind(monkeypatch)
    assert _reached(evolve(part, ends_badly=None), part.one)[0] == _reached(part, part.other)[0]

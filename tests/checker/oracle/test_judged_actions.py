"""The invariants judge what every action did, also what only some runs have: a release, a lost reply."""

from typing import Any

import pytest

from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import play
from model.actions import (
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    LostReply,
    Reconcile,
    Release,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
    thread_of,
)
from system.sqlite import SQLiteTransaction
from tests.checker.oracle.test_breakages import transactions

K1, A, LEASE_ENDS = Enqueue(key="k1"), Step(worker="A"), Tick(seconds=30)
IN_HANDLER = (K1, A, A)
LATER = (*IN_HANDLER, Tick(seconds=1))
SECOND = Step(worker=thread_of("A"))
JUDGED: tuple[tuple[str, tuple[Action, ...]], ...] = (
    ("leased", (K1, A)),
    ("leased", (K1, LostReply(worker="A"))),
    ("extended", (*LATER, Heartbeat(worker="A"))),
    ("extended", (*LATER, LostReply(worker="A", of="Heartbeat"))),
    ("extended", (*LATER, ThreadHeartbeat(worker="A"), SECOND)),
    ("extended", (*LATER, ThreadHeartbeat(worker="A"), LostReply(worker=SECOND.worker))),
    *[("failed", (*IN_HANDLER, kind(worker="A"))) for kind in (Fail, TimeOut, Release)],
    *[("failed", (*IN_HANDLER, LostReply(worker="A", of=of))) for of in ("Fail", "TimeOut", "Release")],
    ("expired", (K1, A, Crash(worker="A"), LEASE_ENDS, Reconcile())),
    ("expired", (K1, A, Crash(worker="A"), LEASE_ENDS, LostReply(worker="reconciler", of="Reconcile"))),
)
"""The audit row that is missing, and actions of which the last one should have written it."""


def _without(event: str) -> Fault:
    class Untold(SQLiteTransaction):
        """The event has no audit row."""

        def _audit(self, *row: Any) -> None:
            if str(row[2]) != event:
                super()._audit(*row)

    return transactions(Untold)


@pytest.mark.parametrize(("event", "actions"), JUDGED, ids=[str(actions[-1]) for _, actions in JUDGED])
def test_the_change_of_each_action_is_judged(event: str, actions: tuple[Action, ...]) -> None:
    """INV_003 breaks at the last action, in a run that goes by no model."""
    run = Lockstep(Scope(threads=True), _without(event), target=Target("INV_003"))
    played = play(run, actions, ending=False)
    assert not played.skipped
    assert played.found is not None
    assert (played.found.finding.invariant, played.found.finding.step) == ("INV_003", len(actions))

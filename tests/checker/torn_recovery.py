"""A failure mode of the tests' own: it is in no catalogue, and needs no folder of a failure mode.

Its recovery looks in one transaction and acts in another. It breaks INV_003, and, where that may break on the
way, INV_004; both are searched for and proved in one scope.
"""

from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker import AlsoBreaks, Bounds, Expected, FailureMode, Queue, Strategy
from failure_modes.checker.cli import find as cli_find
from failure_modes.checker.cli import options
from failure_modes.checker.cli import replay as cli_replay
from failure_modes.checker.traces import replay
from system.policies import EventKind, Operation, Reason, Reconciled, Reconciliation, Retry, Status, Store


class LooksThenActs(Reconciliation):
    """What it found expired it ends, whatever has become of it since."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Look; then act."""
        ended = (Status.DONE, Status.ABORTED)
        found = [execution for execution in store.executions() if execution.status not in ended]
        if not found:
            return Reconciled(finished=0, aborted=0)
        finished = aborted = 0
        with store.transaction() as tx:
            for execution in found:
                if execution.lease_expires_at > tx.now:
                    continue
                done = execution.status is Status.COMMITTED
                finished, aborted = finished + done, aborted + (not done)
                tx.move(
                    tx.execution(execution.id),
                    to=Status.DONE if done else Status.ABORTED,
                    event=EventKind.FINISHED if done else EventKind.EXPIRED,
                    operation=Operation.RECONCILE,
                    actor=actor,
                    reason=Reason.ABANDONED if done else None,
                )
                if not done:
                    retry.bury_if_spent(tx, execution, operation=Operation.RECONCILE, actor=actor)
        return Reconciled(finished=finished, aborted=aborted)


def torn_recovery(queue: Queue) -> Queue:
    """The queue with a recovery torn in two, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, reconcile=LooksThenActs()))


_EXPECTED = Expected(shortest=6, states=1_271, must_reach=("a lease expired",))

TORN_RECOVERY = FailureMode(
    title="torn recovery",
    breaks="INV_003",
    trigger="a worker moves on between the recovery's look and its act",
    policy="reconcile",
    fault=torn_recovery,
    strategy=Strategy(
        weights=(("Step", 2), ("Enqueue", 1), ("Tick", 2), ("Reconcile", 2)), steps=15, helpers_pause=True
    ),
    bounds=Bounds(jobs=1, ticks=2, crashes=1, reconciles=2),
    expected=_EXPECTED,
    also_breaks=(AlsoBreaks(breaks="INV_004", tolerates=("INV_002", "INV_003"), expected=_EXPECTED),),
    folder=Path("FM_998_torn_recovery"),
)


def in_catalogue(mode: FailureMode, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the command line and replay find it under its id, which is returned, and under any other."""
    for module in (options, cli_find, cli_replay, replay):
        monkeypatch.setattr(module, "failure_mode", lambda _: mode)
    return mode.id

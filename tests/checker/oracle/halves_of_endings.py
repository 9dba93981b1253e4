"""The halves of what is judged at the end: the ledger of faults and keys, and a recovery without an end."""

from typing import Any

import pytest

from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle import liveness, lockstep
from failure_modes.checker.oracle.ledger import Ledger
from model.invariants import Ending
from system.policies.reconcile import Reconciled, Reconciliation
from system.policies.retry import Retry
from system.sqlite import SQLiteTransaction
from system.store import Job, Store, Transaction
from tests.checker.oracle.halves import DIES, FAIL, K1, LEASE_ENDS, A, Half, Patch
from tests.checker.oracle.test_breakages import policies, transactions


class _Untold(SQLiteTransaction):
    """A duplicate, and a failure that was refused, have no audit row."""

    def _audit(self, *row: Any) -> None:
        if str(row[2]) not in ("duplicate", "refused"):
            super()._audit(*row)


class _NoRecovery(SQLiteTransaction):
    """No expired lease is ever found."""

    def next_available(self, *, retries: bool) -> Job | None:
        """New jobs alone."""
        del retries
        return super().next_available(retries=False)

    def expired(self, limit: int) -> tuple[Any, ...]:
        """None."""
        del limit
        return ()


class _LosesKey(SQLiteTransaction):
    """A start gives the job another key."""

    def _audit(self, *row: Any) -> None:
        super()._audit(*row)
        if str(row[2]) == "started":
            self._run("UPDATE jobs SET key = 'k9'")


class _Restless(Reconciliation):
    """Each run of the reconciliation writes something, for ever."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Do as usual, and write."""
        done = super().run(store, retry, actor)
        with store.transaction() as tx:
            _touch(tx)
        return done


def _touch(tx: Transaction) -> None:
    assert isinstance(tx, SQLiteTransaction)
    tx._run("UPDATE jobs SET enqueued_at = enqueued_at + 1 WHERE available_at IS NULL")  # noqa: SLF001 (it stands for the store)


def _without_faults(kind: str) -> Patch:
    note: Any = Ledger.note_operation
    crashes: Any = Ledger.note_crashes

    def forget(self: Ledger) -> None:
        self.faults = [fault for fault in self.faults if fault.kind != kind]

    def note_operation(self: Ledger, done: Any) -> None:
        note(self, done)
        forget(self)

    def note_crashes(self: Ledger, *arguments: Any) -> None:
        crashes(self, *arguments)
        forget(self)

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Ledger, "note_operation", note_operation)
        monkeypatch.setattr(Ledger, "note_crashes", note_crashes)

    return patch


def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    usual: Any = Ending
    monkeypatch.setattr(lockstep, "Ending", lambda **values: usual(**{**values, "accepted": ()}))


def _few_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "MOVES_MAX", 30)


def _always_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = liveness.recover
    monkeypatch.setattr(lockstep, "recover", lambda run: usual(run) or True)


ALL_OTHERS = ("INV_004", "INV_001", "INV_002")

ENDINGS = (
    Half(
        oracle="ledger",
        half="duplicates",
        breakage="a duplicate has no audit row",
        fault=transactions(_Untold),
        target=Target("INV_005", ALL_OTHERS),
        actions=(K1, K1),
        ending=True,
        blind=_without_faults("duplicate"),
        sees="no audit row records the duplicate of job-1",
    ),
    Half(
        oracle="ledger",
        half="failures of handlers",
        breakage="a failure that was refused has no audit row",
        fault=transactions(_Untold),
        target=Target("INV_005", ALL_OTHERS),
        actions=(K1, A, A, LEASE_ENDS, FAIL),
        ending=True,
        blind=_without_faults("failure"),
        sees="no audit row records the failure of job-1",
    ),
    Half(
        oracle="ledger",
        half="crashes",
        breakage="no expired lease is found, and the run tolerates a stuck job",
        fault=transactions(_NoRecovery),
        target=Target("INV_005", ALL_OTHERS),
        actions=(K1, A, DIES),
        ending=True,
        blind=_without_faults("crash"),
        sees="no audit row records the crash of exec-1 of job-1",
    ),
    Half(
        oracle="ledger",
        half="accepted keys",
        breakage="a start gives the job another key",
        fault=transactions(_LosesKey),
        target=Target("INV_004"),
        actions=(K1, A, A),
        ending=True,
        blind=_no_keys,
        sees="the job of key 'k1' was accepted and is missing",
    ),
    Half(
        oracle="liveness",
        half="an ending that never ends",
        breakage="each run of the reconciliation writes something, and every job ends well",
        fault=policies(reconcile=_Restless()),
        target=Target("INV_004"),
        plant=_few_moves,
        actions=(K1,),
        ending=True,
        blind=_always_settled,
        sees="something still changes after every round that was allowed",
    ),
)

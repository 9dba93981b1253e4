"""The halves of the comparison of rows, of answers, of counts and of phases."""

from typing import Any

import pytest
from attrs import evolve, fields

from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.oracle import lockstep, reference
from failure_modes.checker.oracle.reference import Reference
from failure_modes.checker.oracle.system_side import SystemSide
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.stepping import PausePoint
from model import step as model_step
from model.answers import Counts, count
from model.events import Operation
from model.state import Breaker, Phase, Settings
from system.queue import Queue
from system.sql import SQLReads
from system.sqlite import SQLiteTransaction
from system.store import Execution, Job
from tests.checker.oracle.halves import (
    BEAT,
    DIES,
    FAIL,
    K1,
    LEASE_ENDS,
    RECONCILE,
    A,
    Half,
    Patch,
    without_column,
    without_rows,
)
from tests.checker.oracle.test_answers import ANSWERS
from tests.checker.oracle.test_breakages import LosesValue, queues, transactions


def job_with(column: str, value: object) -> Fault:
    """A new job has this in a column of its row."""

    class Adds(SQLiteTransaction):
        """Writes the column again."""

        def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
            job = super().add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
            self._run(f"UPDATE jobs SET {column} = ? WHERE id = ?", value, job.id)
            return job

    return transactions(Adds)


def execution_with(column: str, value: object) -> Fault:
    """A started execution's row is right; a leased one has this in a column."""

    class Leases(SQLiteTransaction):
        """Writes the column again."""

        def _audit(self, *row: Any) -> None:
            super()._audit(*row)
            if str(row[2]) == "leased":
                self._run(f"UPDATE executions SET {column} = ? WHERE id = ?", value, row[4])

    return transactions(Leases)


class _LateRetry(SQLiteTransaction):
    """A retry is remembered a millisecond too late."""

    def add_retry(self, *, forget_until: int) -> None:
        super().add_retry(forget_until=forget_until)
        self._run("UPDATE retries SET begun_at = begun_at + 1")


class _CountsTwice(SQLiteTransaction):
    """A failure counts twice."""

    def set_breaker(self, breaker: Any) -> None:
        super().set_breaker(evolve(breaker, failures=2 * breaker.failures))


def _of_row(table: str, column: str, fault: Fault, *actions: Any) -> Half:
    return Half(
        oracle="lock-step, rows",
        half=f"{table}.{column}",
        breakage=f"`{column}` has another value when the row is written",
        fault=fault,
        actions=actions,
        blind=without_column(table, column),
        sees=f".{column}",
    )


def _charges_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    usual: Any = Gateway.charge
    monkeypatch.setattr(Gateway, "charge", lambda self, value, key: usual(self, f"{value}?", key))


ROWS = (
    _of_row("jobs", "key", job_with("key", "k9"), K1),
    _of_row("jobs", "payload", job_with("payload", "1"), K1),
    _of_row("jobs", "attempts_max", job_with("attempts_max", 9), K1),
    _of_row("jobs", "enqueued_at", job_with("enqueued_at", 1), K1),
    _of_row("jobs", "available_at", job_with("available_at", 1), K1),
    _of_row("jobs", "timed", job_with("timed", 1), K1),
    _of_row("executions", "attempt", execution_with("attempt", 2), K1, A),
    _of_row("executions", "lease_expires_at", execution_with("lease_expires_at", 30_001), K1, A),
    _of_row("effects", "value", transactions(LosesValue), K1, A, A, A),
    Half(
        oracle="lock-step, rows",
        half="retries",
        breakage="a retry is remembered a millisecond too late",
        fault=transactions(_LateRetry),
        scope=Scope(settings=Settings(retries_max=5)),
        actions=(K1, A, DIES, LEASE_ENDS, A),
        blind=without_rows(lambda durable: evolve(durable, retries=())),
        sees="retry-1",
    ),
    Half(
        oracle="lock-step, rows",
        half="breaker",
        breakage="a failure counts twice",
        fault=transactions(_CountsTwice),
        scope=Scope(settings=Settings(failures_max=5)),
        actions=(K1, A, A, FAIL),
        blind=without_rows(lambda durable: evolve(durable, breaker=Breaker())),
        sees="breaker.failures",
    ),
    Half(
        oracle="lock-step, rows",
        half="charges",
        breakage="the gateway charges for something else",
        plant=_charges_otherwise,
        scope=Scope(settings=Settings(external=True)),
        actions=(K1, A, A, A),
        blind=without_rows(lambda durable: evolve(durable, charges=tuple("?" for _ in durable.charges))),
        sees="charge-1",
    ),
)
"""The columns that no invariant reads. INV_003 judges the worker and the status of an execution, too."""


class DeniesCommit(Queue):
    """A commit is written, and answered as if it were refused."""

    def commit_json(self, held: Execution, value: str) -> bool:
        """Say no."""
        super().commit_json(held, value)
        return False


def without_answers_of(operation: Operation) -> Patch:
    """The comparison of answers, without those of one operation."""
    usual: Any = SystemSide.answers

    def answers(self: SystemSide, done: Any, expected: Any) -> Any:
        found = usual(self, done, expected)
        return tuple([one for one in found if one.system.operation is not operation])

    return lambda monkeypatch: monkeypatch.setattr(SystemSide, "answers", answers)


def _of_answer(operation: Operation, breakage: str, fault: Fault, *actions: Any) -> Half:
    return Half(
        oracle="lock-step, answers",
        half=operation,
        breakage=breakage,
        fault=fault,
        actions=actions,
        blind=without_answers_of(operation),
        sees=operation,
    )


def _known(operation: Operation, breakage: str, *actions: Any) -> Half:
    return _of_answer(operation, breakage, ANSWERS[breakage][0], *actions)


OF_ANSWERS = (
    _known(Operation.ENQUEUE, "a duplicate is answered as new", K1, K1),
    _known(Operation.LEASE, "a lease answers with another attempt", K1, A),
    _known(Operation.HEARTBEAT, "a heartbeat that was done says no", K1, A, A, BEAT),
    _of_answer(Operation.COMMIT, "a commit that was done says no", queues(DeniesCommit), K1, A, A, A),
    _known(Operation.FINISH, "a finish that was done says no", K1, A, A, A, A),
    _known(Operation.FAIL, "a failure that was written says no", K1, A, A, FAIL),
    _known(Operation.RECONCILE, "a reconciliation exchanges its counts", K1, A, LEASE_ENDS, RECONCILE),
)
"""All but START: a worker that is told no leaves its job, and the phase shows that, too."""


def _miscounts(name: str) -> Patch:
    usual: Any = SQLReads._counts  # noqa: SLF001

    def off(self: SQLReads, *arguments: Any) -> Any:
        counts = usual(self, *arguments)
        return evolve(counts, **{name: (getattr(counts, name) or 0) + 1})

    return lambda monkeypatch: monkeypatch.setattr(SQLReads, "_counts", off)


def _without_count(name: str) -> Patch:
    usual: Any = Reference.counts_difference

    def difference(self: Reference, counts: Counts, events: Any, now: int) -> Any:
        expected = count(self.state.durable, events, now) if self.state else counts
        return usual(self, evolve(counts, **{name: getattr(expected, name)}), events, now)

    return lambda monkeypatch: monkeypatch.setattr(Reference, "counts_difference", difference)


COUNTS = tuple(
    [
        Half(
            oracle="lock-step, counts",
            half=field.name,
            breakage=f"`status` says another `{field.name}`",
            plant=_miscounts(field.name),
            actions=(K1,),
            ending=True,
            blind=_without_count(field.name),
            sees=f"status.{field.name}",
        )
        for field in fields(Counts)
    ]
)


def _phase_after(operation: Operation, phase: Phase) -> Patch:
    usual: Any = vars(model_step)["_after"]

    def after(worker: Any, line: Any, outcome: Any) -> Any:
        found = usual(worker, line, outcome)
        return evolve(found, phase=phase) if line.operation is operation else found

    return lambda monkeypatch: monkeypatch.setattr(model_step, "_after", after)


def _without_phases(*, running: bool) -> Patch:
    usual = reference.phases_differ

    def differ(worker: Any, at: PausePoint, *, exact: bool) -> Any:
        is_running = at in (PausePoint.HANDLER, PausePoint.REPLY)
        return None if is_running is running else usual(worker, at, exact=exact)

    return lambda monkeypatch: monkeypatch.setattr(reference, "phases_differ", differ)


PHASES = (
    Half(
        oracle="lock-step, phase",
        half="the handler runs",
        breakage="the model has a worker that waits where the handler runs",
        plant=_phase_after(Operation.START, Phase.LEASED),
        actions=(K1, A, A),
        blind=_without_phases(running=True),
        sees="is in its handler",
    ),
    Half(
        oracle="lock-step, phase",
        half="the handler does not run",
        breakage="the model has a worker in its handler where none runs",
        plant=_phase_after(Operation.LEASE, Phase.RUNNING),
        actions=(K1, A),
        blind=_without_phases(running=False),
        sees="is outside its handler",
    ),
)


def _rewrites(statement: str) -> Fault:
    class Rewrites(SQLiteTransaction):
        """A start changes earlier audit rows."""

        def _audit(self, *row: Any) -> None:
            super()._audit(*row)
            if str(row[2]) == "started":
                self._run(statement)

    return transactions(Rewrites)


def _same_but_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "same_history", lambda *_, **__: True)


HISTORY = tuple(
    [
        Half(
            oracle="lock-step, the whole audit at the end",
            half=half,
            breakage=breakage,
            fault=_rewrites(statement),
            actions=(K1, A, A),
            ending=True,
            blind=_same_but_for,
            sees="the audit is without earlier rows, or has changed ones",
        )
        for half, breakage, statement in (
            ("missing rows", "a start removes an earlier row", "DELETE FROM audit WHERE event = 'enqueued'"),
            ("changed rows", "a start changes an earlier row", "UPDATE audit SET at = 7 WHERE id = 1"),
        )
    ]
)

"""The halves of the chaos audit: each comparison sees a defect that no other comparison reports.

The rows and the logs are recorded input: two jobs of which one succeeded at its second attempt and one
failed. A row of `HALVES` changes them, and the audit must report one defect and no other.
"""

import json
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve, frozen

from failure_modes.checker.real.chaos_audit import AuditReport, audit_report
from system.store import AuditRow, Effect, Execution, Job, Status, Store

Change = Callable[["Rows"], "Rows"]


def _job(number: int) -> Job:
    key = f"p-{number}"
    return Job(
        id=number,
        key=key,
        payload_json=json.dumps(key),
        attempts_max=2,
        enqueued_at=0,
        available_at=None,
        timed=False,
        token="",
    )


def _execution(number: int, job: int, attempt: int, status: Status) -> Execution:
    return Execution(
        id=number, job_id=job, attempt=attempt, worker="w", status=status, lease_expires_at=0, token=""
    )


def _effect(number: int, job: int, execution: int) -> Effect:
    return Effect(id=number, job_id=job, execution_id=execution, value=json.dumps(f"p-{job}"))


def _event(event: str, job: int) -> AuditRow:
    values: dict[str, Any] = dict.fromkeys(("execution_id", "before", "after", "reason", "detail"))
    return AuditRow(id=1, at=0, actor="w", operation="fail", event=event, job_id=job, **values)


@frozen(kw_only=True)
class Rows:
    """What a run left: the rows of a store, and the lines of its logs."""

    jobs: tuple[Job, ...] = (_job(1), _job(2))
    executions: tuple[Execution, ...] = (
        _execution(1, 1, 1, Status.ABORTED),
        _execution(2, 1, 2, Status.DONE),
        _execution(3, 2, 1, Status.ABORTED),
        _execution(4, 2, 2, Status.ABORTED),
    )
    effects: tuple[Effect, ...] = (_effect(1, 1, 2),)
    audit: tuple[AuditRow, ...] = (_event("buried", 2),)
    log: tuple[tuple[str | int, ...], ...] = (
        *chain(
            *[
                (("asked", key), ("accepted", key, at), ("ran", key, 1))
                for at, key in ((1, "p-1"), (2, "p-2"))
            ]
        ),
        ("committed", 2),
    )
    died: tuple[str, ...] = ()
    settled: bool = True

    def audited(self, folder: Path) -> AuditReport:
        """What the audit reports of them."""
        (folder / "process.log").write_text("".join([json.dumps(words) + "\n" for words in self.log]))
        return audit_report(
            cast(Store, _Store(self)), folder, Counter(), died=[*self.died], settled=self.settled
        )


@frozen
class _Store:
    """Reads those rows."""

    rows: Rows

    def jobs(self) -> tuple[Job, ...]:
        return self.rows.jobs

    def executions(self) -> tuple[Execution, ...]:
        return self.rows.executions

    def effects(self) -> tuple[Effect, ...]:
        return self.rows.effects

    def audit(self) -> tuple[AuditRow, ...]:
        return self.rows.audit


def _said(*words: str | int) -> Change:
    """A log has this line, too."""
    return lambda rows: evolve(rows, log=(*rows.log, words))


def _unsaid(*words: str | int) -> Change:
    """No log has this line."""
    return lambda rows: evolve(rows, log=tuple([line for line in rows.log if line != words]))


def _with(**more: Any) -> Change:
    """A table has these rows, too."""

    def changed(rows: Rows) -> Rows:
        values: dict[str, Any] = {name: (*getattr(rows, name), *added) for name, added in more.items()}
        return evolve(rows, **values)

    return changed


def _values(**values: Any) -> Change:
    return lambda rows: evolve(rows, **values)


def _status(number: int, status: Status) -> Change:
    def changed(rows: Rows) -> Rows:
        found = [evolve(one, status=status) if one.id == number else one for one in rows.executions]
        return evolve(rows, executions=tuple(found))

    return changed


def _all(*changes: Change) -> Change:
    def changed(rows: Rows) -> Rows:
        for change in changes:
            rows = change(rows)
        return rows

    return changed


FAILED = (_execution(5, 3, 1, Status.ABORTED), _execution(6, 3, 2, Status.ABORTED))
"""Both attempts of a third job."""

THIRD = _all(_with(jobs=[_job(3)]), _said("asked", "p-3"), _said("accepted", "p-3", 3))
"""A third job, which no worker has leased."""

HALVES: dict[str, tuple[Change, str, str]] = {
    "an accepted job has another number": (_said("accepted", "p-1", 7), "lost", "p-1 was accepted as job-7"),
    "an acknowledged commit has no effect": (_said("committed", 4), "lost", "the commit of exec-4"),
    "a committed execution has no effect": (
        _all(_values(effects=()), _unsaid("committed", 2)),
        "lost",
        "exec-2 of job-1 is DONE, and has no effect",
    ),
    "a failed execution has an effect": (
        _with(effects=[_effect(2, 2, 4)]),
        "inconsistent",
        "exec-4 of job-2 is ABORTED, and has an effect",
    ),
    "other tables name a job that is gone": (_with(audit=[_event("leased", 9)]), "lost", "job-9 has rows"),
    "a key has two jobs": (
        _all(
            _with(jobs=[evolve(_job(3), key="p-2")], executions=FAILED, audit=[_event("buried", 3)]),
            _unsaid("accepted", "p-2", 2),
        ),
        "duplicated",
        "p-2 has 2 jobs",
    ),
    "an execution is open": (_status(4, Status.LEASED), "stuck", "job-2 (p-2) has not ended"),
    "a job was never leased": (THIRD, "stuck", "job-3 (p-3) has not ended"),
    "a job has attempts left": (
        _all(THIRD, _with(executions=FAILED[:1])),
        "stuck",
        "job-3 (p-3) has not ended",
    ),
    "a job has two effects": (_with(effects=[_effect(2, 1, 2)]), "duplicated", "2 effects and 1 commits"),
    "a failure without a reason": (_values(audit=()), "inconsistent", "job-2 (p-2) has failed, without"),
    "a job that no producer enqueued": (
        _all(_unsaid("asked", "p-2"), _unsaid("accepted", "p-2", 2)),
        "inconsistent",
        "no producer enqueued job-2 (p-2)",
    ),
    "an effect of another value": (
        _values(effects=(evolve(_effect(1, 1, 2), value='"p-2"'),)),
        "inconsistent",
        "an effect that no handler wrote",
    ),
    "an effect of another job's execution": (
        _with(effects=[_effect(2, 2, 2)]),
        "inconsistent",
        "job-2 has an effect that no handler wrote",
    ),
    "an effect of a handler that never ran": (
        _unsaid("ran", "p-1", 1),
        "inconsistent",
        "an effect that no handler wrote",
    ),
    "a process that ended by itself": (_values(died=("worker1 ended",)), "died", "worker1 ended"),
    "a run that never settled": (_values(settled=False), "inconsistent", "a job is still pending"),
}


def _defects(report: AuditReport) -> dict[str, str]:
    """The lines of the report; each with the name of its kind."""
    kinds = ("lost", "duplicated", "stuck", "inconsistent", "died")
    return {line: kind for kind in kinds for line in getattr(report, kind)}


def test_the_recorded_rows_have_no_defect(tmp_path: Path) -> None:
    """So a defect of a row of the table is the defect that its change has made."""
    report = Rows().audited(tmp_path)
    assert (_defects(report), report.clean) == ({}, True)
    assert (report.jobs, report.accepted, report.succeeded, report.failed) == (2, 2, 1, 1)


@pytest.mark.parametrize("half", HALVES)
def test_one_comparison_alone_sees_a_defect(half: str, tmp_path: Path) -> None:
    """The report has one line, under the right name: without this comparison it would be clean."""
    change, kind, text = HALVES[half]
    report = change(Rows()).audited(tmp_path)
    [(line, found)] = _defects(report).items()
    assert (found, text in line, report.clean) == (kind, True, False)

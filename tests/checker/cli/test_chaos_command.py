"""The command `chaos`: its exit codes, and what it asks for."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.cli import chaos as cli_chaos
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.real.chaos_audit import AuditReport
from failure_modes.checker.real.running_processes import Plan
from system.store import StoreError
from tests.checker.commands import invoke, results_of


def _finished(**wrong: Any) -> AuditReport:
    report = AuditReport(
        jobs=1,
        accepted=1,
        succeeded=1,
        failed=0,
        lost=(),
        duplicated=(),
        stuck=(),
        inconsistent=(),
        died=(),
        audit=Counter(dict.fromkeys(cli_chaos.MUST_REACH, 1)),
        injected=Counter(kills=cli_chaos.KILLS_MIN),
    )
    return evolve(report, **{"jobs": cli_chaos.JOBS_MIN, **wrong})


EXITS: tuple[tuple[AuditReport, tuple[str, ...], int], ...] = (
    (_finished(), (), 0),
    (_finished(lost=("job-1",)), (), 1),
    (_finished(inconsistent=("job-1",)), (), 1),
    (_finished(died=("worker1",)), (), 1),
    (evolve(_finished(), audit=Counter[str]()), (), 3),
    (_finished(jobs=cli_chaos.JOBS_MIN - 1), (), 3),
    (_finished(injected=Counter(kills=cli_chaos.KILLS_MIN - 1)), (), 3),
    (_finished(jobs=1), ("--minutes", "1"), 0),
    (_finished(), ("--fault", "FM_001"), 1),
    (_finished(duplicated=("job-1",)), ("--fault", "FM_001"), 0),
    (_finished(inconsistent=("job-1",)), ("--fault", "FM_001"), 1),
    (_finished(duplicated=("job-1",), died=("worker1",)), ("--fault", "FM_001"), 1),
)


@pytest.mark.parametrize(("report", "options", "code"), EXITS)
def test_the_exit_code_says_whether_it_is_as_expected(
    report: AuditReport, options: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a fault all must be well, and something have happened; with one a promise must be broken."""
    monkeypatch.setattr(cli_chaos, "run", lambda *_: report)
    said = invoke("chaos", *options, "--json")
    assert said.exit_code == code
    (told,) = results_of(said)
    assert told["clean"] is report.clean
    assert (told["history"] is None) is report.clean
    if told["history"]:
        Path(told["history"]).rmdir()


def _first(*, of_its_own: bool, of_what_else: bool) -> str:
    """A failure mode whose scopes have the unique indexes, or not."""
    for mode in catalogue():
        first, *others = [one.scope.constraints for one in mode.each]
        if (first, all(others)) == (of_its_own, of_what_else):
            return mode.id
    pytest.fail("there is no such failure mode", pytrace=False)


@pytest.mark.parametrize(
    ("options", "constraints"),
    [
        ((), True),
        (("--fault", _first(of_its_own=False, of_what_else=True)), False),
        (("--fault", _first(of_its_own=True, of_what_else=False)), False),
        (("--fault", _first(of_its_own=True, of_what_else=True)), True),
    ],
)
def test_a_fault_has_the_schema_that_it_needs(
    options: tuple[str, ...], constraints: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the unique indexes would refuse anything that it breaks, they are left out."""
    plans: list[Plan] = []

    def run(plan: Plan, say: object) -> AuditReport:
        del say
        plans.append(plan)
        return _finished()

    monkeypatch.setattr(cli_chaos, "run", run)
    invoke("chaos", *options)
    assert [plan.constraints for plan in plans] == [constraints]


def test_an_audit_that_fails_has_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says why, and where the history is; the exit code is that of an audit with defects."""

    def run(plan: Plan, say: object) -> AuditReport:
        del say
        raise StoreError(f"{plan.folder / 'queue.db'}: the database file is damaged")

    monkeypatch.setattr(cli_chaos, "run", run)
    said = invoke("chaos")
    assert said.exit_code == 1
    told = re.fullmatch(r"the audit failed: (.+)/queue\.db: the .+; the history is in \1\n", said.stderr)
    assert told is not None
    Path(told.group(1)).rmdir()

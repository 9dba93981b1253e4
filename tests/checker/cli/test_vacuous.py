"""Input that can show nothing: each command refuses it, or says that its answer is inconclusive."""

from collections import Counter
from typing import Any

import pytest

from failure_modes.checker.cli import chaos as cli_chaos
from failure_modes.checker.cli import fidelity as cli_fidelity
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.real.chaos_audit import AuditReport
from tests.checker.commands import invoke

SEARCHES = (("find", "FM_001"), ("prevent", "FM_001"), ("explore",))
POOLED = (("prove",), ("matrix",), ("fidelity",), ("power",), ("explore", "--off", "1"), ("seeds",))
NO_STEP = "--weight Step=0: no worker would move in any example, so nothing is shown; give it 1 or more"
NO_ENQUEUE = "--weight Enqueue=0: there would be no job, so nothing is shown; give it 1 or more"
NO_JOB = "no job is enqueued, so nothing is proved; give --jobs 1 or more, or --poisons"
OUT_OF_RANGE = "is not in the range"

REFUSED: list[tuple[tuple[str, ...], str]] = [
    *[((*command, "--weight", "step=0"), NO_STEP) for command in SEARCHES],
    *[((*command, "--weight", "enqueue=0"), NO_ENQUEUE) for command in SEARCHES],
    *[
        ((*command, f"--{option}", "0"), OUT_OF_RANGE)
        for command in SEARCHES
        for option in ("jobs", "workers", "steps", "examples", "seconds")
    ],
    (("explore", "--off", "1", "--weight", "step=0"), NO_STEP),
    (("explore", "--off", "0"), OUT_OF_RANGE),
    (("find", "FM_001", "--diverges", "--weight", "step=0"), NO_STEP),
    (("prove", "--jobs", "0"), NO_JOB),
    (("prove", "FM_001", "--jobs", "0"), NO_JOB),
    (("prove", "FM_001", "--jobs", "0", "--retries", "1"), NO_JOB),
    *[(("prove", f"--{option}", "0"), OUT_OF_RANGE) for option in ("workers", "depth", "states", "seconds")],
    (("prove", "--tick-seconds", "0"), OUT_OF_RANGE),
    *[((*command, "--processes", "0"), OUT_OF_RANGE) for command in POOLED],
    (("matrix", "--together", "0"), OUT_OF_RANGE),
    (("seeds", "FM_001", "--seeds", "0"), OUT_OF_RANGE),
    (("chaos", "--minutes", "0"), OUT_OF_RANGE),
    (("power", "--images", "0"), OUT_OF_RANGE),
    (("power", "--steps", "0"), OUT_OF_RANGE),
    (("fidelity", "--schedules", "0"), OUT_OF_RANGE),
    (("repeat", "--schedules", "0"), OUT_OF_RANGE),
]
"""Arguments, and what the one line says."""

ONE_DRAW = ("--examples", "1", "--steps", "1")
NO_LEASE = "no job was leased; so the search proves nothing"

INCONCLUSIVE: list[tuple[tuple[str, ...], str]] = [
    (("find", "FM_001", *ONE_DRAW), NO_LEASE),
    (("explore", "--seed", "1", *ONE_DRAW), NO_LEASE),
    (("prevent", "FM_001", *ONE_DRAW), "proves nothing"),
    (
        ("explore", "--off", "1", "--processes", "1", *ONE_DRAW),
        "no set broke anything; so the searches prove nothing",
    ),
    (("prove", "--states", "1"), "not complete: --states was reached"),
    (("prove", "--depth", "1"), "not complete, --depth was reached"),
    (("power", "--images", "1", "--steps", "1", "--processes", "1"), "so they prove nothing"),
]
"""Arguments that are in range and still show nothing, and the reason that is given."""


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(one) for one, _ in REFUSED])
def test_it_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """The exit code is 2, nothing is run, and the message says what would be right."""
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(("arguments", "said"), INCONCLUSIVE, ids=[" ".join(one) for one, _ in INCONCLUSIVE])
def test_it_is_inconclusive(arguments: tuple[str, ...], said: str) -> None:
    """The exit code is 3, and the reason is given."""
    result = invoke(*arguments)
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert said in " ".join(result.output.split())


def test_schedules_that_meet_nothing_are_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fidelity` and `repeat` count what the schedules met: without schedules nothing was met."""
    monkeypatch.setattr(cli_fidelity, "kept_schedules", lambda *_: ())
    monkeypatch.setattr(cli_fidelity, "schedules", lambda *_: ())
    monkeypatch.setattr(cli_fidelity, "_canary", lambda _: "schedule 1")
    result = invoke("fidelity", "--processes", "1")
    assert result.exit_code == EXIT.INCONCLUSIVE


def test_chaos_in_which_nothing_happened_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A balanced audit of no jobs is no answer."""
    counts: dict[str, Any] = dict.fromkeys(("jobs", "accepted", "succeeded", "failed"), 0)
    wrong: dict[str, Any] = dict.fromkeys(("lost", "duplicated", "stuck", "inconsistent", "died"), ())
    report = AuditReport(**counts, **wrong, audit=Counter(), injected=Counter())
    monkeypatch.setattr(cli_chaos, "run", lambda *_: report)
    result = invoke("chaos", "--minutes", "0.05")
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert "inconclusive, because too little happened" in result.stdout


def test_a_poison_job_is_a_job() -> None:
    """A proof without other jobs is no vacuous one."""
    assert failure_mode("FM_010").bounds.poisons
    result = invoke("prove", "--jobs", "0", "--poisons", "1", "--ticks", "0", "--crashes", "0")
    assert result.exit_code == EXIT.AS_EXPECTED

"""A `scenario.py` that cannot be used is refused in one line, and what it says wrongly is told."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from tests.checker.commands import ROOT, invoke

MODE = failure_mode("FM_005")
SCENARIO = Path("failure_modes", "FM_005_lost_job", "scenario.py")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, whose scenarios can be spoilt."""
    copy = tmp_path_factory.mktemp("checkout")
    for part in ("failure_modes", "model", "system"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FAILURE_MODE = ", "FAILURE_MODE == ", "NameError: name 'FAILURE_MODE' is not defined"),
        ("FAILURE_MODE = FailureMode(", "FAILURE_MODE = (", "SyntaxError"),
        ("FAILURE_MODE = ", "OTHER = ", "has no attribute 'FAILURE_MODE'"),
        ("FAILURE_MODE = FailureMode(", "FAILURE_MODE = dict(", "FAILURE_MODE is not a FailureMode"),
        ('breaks="INV_004"', 'breaks="INV_009"', "ValueError: there is no invariant 'INV_009'"),
        ('("Crash", ', '("Crush", ', "ValueError: unknown action 'Crush'"),
        ('("Crash", ', '("PowerLoss", ', "ValueError: PowerLoss has a weight, and the scope is not"),
        (
            "bounds=Bounds(",
            "bounds=Bounds(tick_seconds=(1,), ",
            "ValueError: tick_seconds is (30,) in the strategy",
        ),
        (
            'breaks="INV_004",',
            'breaks="INV_004", also_breaks=(AlsoBreaks(breaks="INV_005", tolerates=("INV_003",), '
            "expected=Expected(shortest=1, states=1, must_reach=())),),",
            "ValueError: INV_005 cannot tolerate INV_003",
        ),
        (
            'breaks="INV_004",',
            'breaks="INV_004", also_breaks=(AlsoBreaks(breaks="INV_004", '
            "expected=Expected(shortest=1, states=1, must_reach=())),),",
            "ValueError: it breaks INV_004 and INV_004: each invariant is said once",
        ),
    ],
    ids=["name", "syntax", "missing", "kind", "invariant", "action", "power", "ticks", "tolerates", "twice"],
)
def test_a_scenario_that_cannot_be_used_is_refused_in_one_line(
    checkout: Path, old: str, new: str, said: str
) -> None:
    """Exit code 2, the file's path, and no traceback."""
    right = (ROOT / SCENARIO).read_text(encoding="utf-8")
    wrong = right.replace("import Bounds", "import AlsoBreaks, Bounds").replace(old, new, 1)
    assert old in right
    (checkout / SCENARIO).write_text(wrong, encoding="utf-8")
    try:
        listed = subprocess.run(
            [sys.executable, "-m", "failure_modes", "list"],
            cwd=checkout,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    finally:
        (checkout / SCENARIO).write_text(right, encoding="utf-8")
    assert (listed.returncode, listed.stdout, listed.stderr.count("\n")) == (2, "", 1)
    assert listed.stderr.startswith(f"error: {checkout / SCENARIO}")
    assert said in listed.stderr or said == "SyntaxError"


def test_a_danger_that_nothing_is_called_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could never be reached, however many examples there are: exit code 2, before any is tried."""
    spelt = evolve(MODE, expected=evolve(MODE.expected, must_reach=("a lease expird",)))
    monkeypatch.setattr("failure_modes.checker.cli.options.failure_mode", lambda _: spelt)
    result = invoke("prevent", "FM_005")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: FM_005: must_reach in its scenario.py: nothing is called so in checker/oracle/sometimes.py: "
        "a lease expird\n"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda mode: evolve(mode, expected=evolve(mode.expected, shortest=4)), "shortest=4, and it is 3"),
        (lambda mode: evolve(mode, expected=evolve(mode.expected, states=19)), "states=19, and there are 18"),
    ],
    ids=["shortest", "states"],
)
def test_a_number_that_is_not_as_said_is_told(
    change: Callable[[object], object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its own scope a proof holds a failure mode to its numbers: exit code 1. In another it does not."""
    monkeypatch.setattr("failure_modes.checker.cli.options.failure_mode", lambda _: change(MODE))
    result = invoke("prove", "FM_005")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == f" not as its scenario.py says: {said}"
    other = invoke("prove", "FM_005", "--crashes", "1")
    assert (other.exit_code, "not as its scenario" in other.stdout) == (0, False)


def test_a_fault_that_gives_back_an_equal_queue_is_none() -> None:
    """Whether it is the same object does not matter: nothing is broken."""
    assert not evolve(MODE, fault=lambda queue: evolve(queue)).has_fault
    assert MODE.has_fault

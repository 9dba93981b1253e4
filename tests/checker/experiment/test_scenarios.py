"""A `scenario.py` that cannot be used is refused in one line, and what it says wrongly is told."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.checker.commands import ROOT, invoke
from tests.checker.torn_recovery import TORN_RECOVERY, in_catalogue

MODE = TORN_RECOVERY
SCENARIO = Path("failure_modes", "FM_997_spoilt", "scenario.py")
RIGHT = (ROOT / "failure_modes" / "template" / "scenario.py.template").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, in which there is a scenario to be spoilt."""
    copy = tmp_path_factory.mktemp("checkout")
    for part in ("failure_modes", "model", "system"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / SCENARIO).parent.mkdir()
    (copy / SCENARIO.parent / "__init__.py").write_text('"""A failure mode whose scenario is wrong."""\n')
    return copy


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FAILURE_MODE = ", "FAILURE_MODE == ", "NameError: name 'FAILURE_MODE' is not defined"),
        ("FAILURE_MODE = FailureMode(", "FAILURE_MODE = (", "SyntaxError"),
        ("FAILURE_MODE = ", "OTHER = ", "has no attribute 'FAILURE_MODE'"),
        ("FAILURE_MODE = FailureMode(", "FAILURE_MODE = dict(", "FAILURE_MODE is not a FailureMode"),
        ('breaks="INV_001"', 'breaks="INV_009"', "ValueError: there is no invariant 'INV_009'"),
        ('("Tick", ', '("Tock", ', "ValueError: unknown action 'Tock'"),
        ('("Tick", ', '("PowerLoss", ', "ValueError: PowerLoss has a weight, and the scope is not"),
        (
            'breaks="INV_001",',
            'breaks="INV_001", also_breaks=(AlsoBreaks(breaks="INV_005", tolerates=("INV_003",), '
            "expected=Expected(shortest=1, states=1, must_reach=())),),",
            "ValueError: INV_005 cannot tolerate INV_003",
        ),
        (
            'breaks="INV_001",',
            'breaks="INV_001", also_breaks=(AlsoBreaks(breaks="INV_001", '
            "expected=Expected(shortest=1, states=1, must_reach=())),),",
            "ValueError: it breaks INV_001 and INV_001: an invariant is listed twice",
        ),
    ],
    ids=["name", "syntax", "missing", "kind", "invariant", "action", "power", "tolerates", "twice"],
)
def test_a_scenario_that_cannot_be_used_is_refused_in_one_line(
    checkout: Path, old: str, new: str, said: str
) -> None:
    """Exit code 2, the file's path, and no traceback."""
    wrong = RIGHT.replace("import Bounds", "import AlsoBreaks, Bounds").replace(old, new, 1)
    assert old in RIGHT
    (checkout / SCENARIO).write_text(wrong, encoding="utf-8")
    listed = subprocess.run(
        [sys.executable, "-m", "failure_modes", "list"],
        cwd=checkout,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (listed.returncode, listed.stdout, listed.stderr.count("\n")) == (2, "", 1)
    assert listed.stderr.startswith(f"error: {checkout / SCENARIO}")
    assert said in listed.stderr or said == "SyntaxError"


def test_a_danger_that_nothing_is_called_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could never be reached, however many examples there are: exit code 2, before any is tried."""
    spelt = evolve(MODE, expected=evolve(MODE.expected, must_reach=("a lease expird",)))
    result = invoke("prevent", in_catalogue(spelt, monkeypatch))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {MODE.id}: must_reach in its scenario.py: "
        "nothing is called so in checker/oracle/sometimes.py: a lease expird\n"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shortest": 7}, "shortest=7, but the proof found 6"),
        ({"states": 1_272}, "states=1272, but the proof found 1271"),
    ],
    ids=["shortest", "states"],
)
def test_a_number_that_is_not_as_said_is_told(
    wrong: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its own scope a proof holds a failure mode to its numbers: exit code 1. In another it does not."""
    mode_id = in_catalogue(evolve(MODE, expected=evolve(MODE.expected, **wrong)), monkeypatch)
    result = invoke("prove", mode_id, "--breaks", "INV_003")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == f" different from its scenario.py: {said}"
    other = invoke("prove", mode_id, "--breaks", "INV_003", "--crashes", "0")
    assert (other.exit_code, "different from its scenario" in other.stdout) == (0, False)


def test_a_fault_that_gives_back_an_equal_queue_is_none() -> None:
    """Whether it is the same object does not matter: nothing is broken."""
    assert not evolve(MODE, fault=lambda queue: evolve(queue)).has_fault
    assert MODE.has_fault

"""`--json`: every command has it, and prints one object of one shape; also where the command fails."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest

from failure_modes.checker.cli import chaos as cli_chaos
from failure_modes.checker.cli import fidelity as cli_fidelity
from failure_modes.checker.cli import matrix as cli_matrix
from failure_modes.checker.cli import power as cli_power
from failure_modes.checker.cli import repeat as cli_repeat
from failure_modes.checker.cli import run as cli_run
from failure_modes.checker.cli import scaffold
from failure_modes.checker.cli import seeds as cli_seeds
from failure_modes.checker.cli import times as cli_times
from failure_modes.checker.cli import train as cli_train
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.main import COMMANDS, main
from failure_modes.checker.cli.output import FORMAT, Verdict
from failure_modes.checker.real.chaos_audit import AuditReport
from failure_modes.checker.real.power import STORE
from failure_modes.checker.support.errors import (
    CallerError,
    CheckerError,
    FileError,
    LimitReached,
    MachineError,
    NotInstalled,
    ScenarioError,
    SubjectError,
)
from failure_modes.checker.traces.database import all_kept
from tests.checker.commands import ROOT, SHAPE, invoke, object_of, quickest, run

TRACE = str(all_kept()[0][0])
QUICKEST = quickest().id
FEW = ("--examples", "10", "--steps", "10")

CASES: dict[str, tuple[tuple[str, ...], EXIT, Verdict | None]] = {
    "run": ((QUICKEST,), EXIT.AS_EXPECTED, Verdict.BROKEN),
    "find": (("FM_001", "--weight", "Tick=0", *FEW), EXIT.NOT_AS_EXPECTED, Verdict.HELD),
    "prevent": (("FM_001", *FEW), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    "prove": (("FM_001",), EXIT.AS_EXPECTED, Verdict.BROKEN),
    "replay": ((TRACE,), EXIT.AS_EXPECTED, Verdict.BROKEN),
    "list": ((), EXIT.AS_EXPECTED, None),
    "traces": (("FM_001",), EXIT.AS_EXPECTED, None),
    "page": ((TRACE,), EXIT.AS_EXPECTED, None),
    "explore": (FEW, EXIT.AS_EXPECTED, Verdict.HELD),
    "matrix": (("--processes", "1"), EXIT.AS_EXPECTED, None),
    "fidelity": (("--processes", "1"), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    "power": (("--images", "1", "--steps", "1", "--processes", "1"), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    "chaos": ((), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    "judge": (
        ("tests.subjects.tables:RIGHT", "--runs", "60", "--only", "lost"),
        EXIT.AS_EXPECTED,
        Verdict.HELD,
    ),
    "repeat": ((), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    "seeds": ((QUICKEST, "--seeds", "1"), EXIT.AS_EXPECTED, Verdict.BROKEN),
    "times": ((QUICKEST,), EXIT.AS_EXPECTED, None),
    "train": (("check",), EXIT.NOT_AS_EXPECTED, Verdict.BROKEN),
    "new": (("FM_900", "some_name"), EXIT.AS_EXPECTED, None),
    "docs": (("--check",), EXIT.AS_EXPECTED, None),
}
"""Of each command: arguments that are quick, its exit code, and its verdict."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No command takes long, and none writes to the project or to the home of the user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_train, "DEFAULT", str(tmp_path / "katas"))
    monkeypatch.setattr(cli_run, "_call", lambda *_: EXIT.AS_EXPECTED)
    monkeypatch.setattr(cli_matrix, "GROUPS", ())
    for compares in (cli_fidelity, cli_repeat):
        monkeypatch.setattr(compares, "kept_schedules", lambda *_: ())
        monkeypatch.setattr(compares, "schedules", lambda *_: ())
    monkeypatch.setattr(cli_fidelity, "_canary", lambda _: "schedule 1")
    monkeypatch.setattr(cli_power, "SETTINGS", (STORE,))
    monkeypatch.setattr(cli_times, "_run", lambda _: 0)
    monkeypatch.setattr(cli_times, "keep", lambda *_: None)
    monkeypatch.setattr(cli_seeds, "keep", lambda *_: None)
    monkeypatch.setattr(cli_chaos, "run", lambda *_: _nothing_happened())


def _nothing_happened() -> AuditReport:
    counts: dict[str, Any] = dict.fromkeys(("jobs", "accepted", "succeeded", "failed"), 0)
    wrong: dict[str, Any] = dict.fromkeys(("lost", "duplicated", "stuck", "inconsistent", "died"), ())
    return AuditReport(**counts, **wrong, audit=Counter(), injected=Counter())


def _commands() -> dict[str, click.Command]:
    """Every command of the parser."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_every_command_is_tried() -> None:
    """A new command cannot be left out."""
    assert set(CASES) == set(_commands()) == set(COMMANDS)


def test_every_command_has_the_option() -> None:
    """The parser knows `--json` for each."""
    for name, command in _commands().items():
        assert "--json" in [option for one in command.params for option in one.opts], name


@pytest.mark.parametrize("name", CASES)
def test_each_command_prints_one_object_of_one_shape(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The object says the command, what was seen and the exit code; each result has a verdict."""
    arguments, code, verdict = CASES[name]
    if name == "new":
        monkeypatch.setattr(scaffold.lay_out, "__kwdefaults__", {"folder": tmp_path})
    result = invoke(name, *arguments, "--json")
    said = object_of(result)
    assert (said["format"], said["command"]) == (FORMAT, name)
    assert (result.exit_code, said["verdict"]) == (code, verdict)
    assert all("verdict" in one for one in said["results"])
    assert said["results"] or name == "matrix"


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_usage_is_an_object_too(name: str) -> None:
    """The verdict is `refused`, and the message names the option."""
    result = invoke(name, "--no-such-option", "--json")
    said = object_of(result)
    assert (result.exit_code, said["verdict"], said["results"]) == (EXIT.REFUSED, Verdict.REFUSED, [])
    assert "--no-such-option" in said["messages"][0]


def test_an_unknown_command_is_an_object_too() -> None:
    """There is no command to name."""
    said = object_of(invoke("nonsense", "--json"))
    assert (said["command"], said["verdict"], said["exit"]) == (None, Verdict.REFUSED, EXIT.REFUSED)


def test_without_the_option_bad_usage_is_text() -> None:
    """Nothing is on standard output, also where a value or a file is named like the option."""
    for arguments in (("find", "FM_999"), ("replay", "--", "--json"), ("find", "FM_999", "--why")):
        assert invoke(*arguments).stdout == ""


ERRORS = (
    (CallerError("It is so."), EXIT.REFUSED, Verdict.REFUSED),
    (FileError("It is so."), EXIT.REFUSED, Verdict.REFUSED),
    (ScenarioError("It is so."), EXIT.REFUSED, Verdict.REFUSED),
    (SubjectError("It is so."), EXIT.REFUSED, Verdict.REFUSED),
    (MachineError("It is so."), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    (NotInstalled("It is so."), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    (LimitReached("It is so."), EXIT.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    (CheckerError("It is so."), EXIT.NOT_AS_EXPECTED, Verdict.INCONCLUSIVE),
    (OSError("It is so."), EXIT.REFUSED, Verdict.REFUSED),
    (KeyboardInterrupt(), 130, Verdict.INCONCLUSIVE),
)


@pytest.mark.parametrize(("error", "code", "verdict"), ERRORS, ids=lambda one: type(one).__name__)
def test_an_error_has_the_exit_code_of_its_class(
    error: BaseException, code: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text it is one line on standard error; with `--json` it is in the object."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("failure_modes.checker.cli.listing.catalogue", fail)
    text, as_json = invoke("list"), invoke("list", "--json")
    line = (str(error) and f"error: {error}") or "interrupted"
    assert (text.exit_code, text.stdout, text.stderr) == (code, "", f"{line}\n")
    said = object_of(as_json)
    assert (said["exit"], said["verdict"], said["messages"]) == (code, verdict, [line])


def test_every_error_of_the_checker_is_under_one_root() -> None:
    """No module of the checker defines an error of its own kind; what only ends an example is no error."""
    ends_an_example = {
        "Found",
        "Crashed",
        "TimeLimitReached",
        "HandlerFailed",
        "LearnerError",
        "LeftRun",
        "NoRoom",
        "_Enough",
        "_Twice",
        "JobFailed",
        "Troubled",
        "_Stopped",
    }
    found = set()
    for path in sorted((ROOT / "failure_modes" / "checker").rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("class ") and line.rstrip(":").endswith(
                ("(Exception)", "(BaseException)", "(SkipTest)", "(RuntimeError)", "(ValueError)")
            ):
                found.add(line.removeprefix("class ").partition("(")[0])
    assert found == ends_an_example | {"CheckerError"}


def test_a_process_prints_the_object_alone() -> None:
    """Progress and errors are on standard error."""
    completed = run("find", "FM_999", "--json")
    assert completed.returncode == EXIT.REFUSED
    assert list(json.loads(completed.stdout)) == SHAPE
    assert completed.stderr.endswith("\n")

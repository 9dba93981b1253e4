"""The command line of the checker, used wrongly: exit code 2, and a line that says what would be right."""

from multiprocessing import active_children
from pathlib import Path

import pytest

from failure_modes.checker.cli import run as cli_run
from failure_modes.checker.cli import scaffold
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.experiment.strategy import ACTION_NAMES
from failure_modes.checker.report.progress import ProgressLines
from tests.checker.commands import invoke, run
from tests.checker.sample_traces import SMALL_TEXT

WITHIN = "explore", "--within-statements", "--granularity", "statement"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("find", "FM_999"), "there is no failure mode 'FM_999'; known are FM_001"),
        (("prevent", "nonsense"), "there is no failure mode 'nonsense'; known are FM_001"),
        (("find",), "Missing argument 'FM'"),
        (
            ("find", "FM_001", "--weight", "Jump=1"),
            f"unknown action 'Jump'; known are {', '.join(ACTION_NAMES)}",
        ),
        (("find", "FM_001", "--weight", "Tick"), "'Tick': the weight is a whole number from 0 to 100"),
        (("find", "FM_001", "--weight", "Tick=-1"), "'Tick=-1': the weight is a whole number from 0 to 100"),
        (
            ("find", "FM_001", "--weight", "Tick=101"),
            "'Tick=101': the weight is a whole number from 0 to 100",
        ),
        (
            ("find", "FM_001", "--weight", "Tick=1.5"),
            "'Tick=1.5': the weight is a whole number from 0 to 100",
        ),
        (("find", "FM_001", "--weight", "Tick=²"), "'Tick=²': the weight is a whole number from 0 to 100"),
        (
            ("find", "FM_001", "--weight", "Step=0", "--weight", "Enqueue=0", "--weight", "Tick=0"),
            "every action has weight 0, so no action can be drawn",
        ),
        (("find", "FM_001", "--examples", "0"), "Invalid value for '--examples'"),
        (("find", "FM_001", "--seconds", "0"), "Invalid value for '--seconds'"),
        (("find", "FM_001", "--workers", "9"), "Invalid value for '--workers'"),
        (("find", "FM_001", "--granularity", "row"), "Invalid value for '--granularity'"),
        (("explore", "--within-statements"), "needs --store postgresql --granularity statement"),
        (
            (*WITHIN, "--store", "postgresql", "--reconcile-batch", "1"),
            "--within-statements cannot be used with --reconcile-batch",
        ),
        (("nonsense",), "No such command 'nonsense'"),
    ],
)
def test_bad_usage_is_refused_with_what_would_be_right(arguments: tuple[str, ...], said: str) -> None:
    """The exit code is 2, nothing is searched, and the message names what was wrong."""
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert said in " ".join(result.stderr.split())


def test_a_file_that_is_not_a_trace_is_refused_in_one_line(tmp_path: Path) -> None:
    """The one line on standard error names the file, the line and what would be right: no traceback."""
    file = tmp_path / "bad.json"
    file.write_text(SMALL_TEXT.replace('"Step"', '"Stp"'))
    known = ", ".join(ACTION_NAMES)
    for completed in (run("replay", str(file)), run("replay", str(file), "--guarded")):
        assert (completed.returncode, completed.stdout) == (EXIT.REFUSED, "")
        assert completed.stderr == f'error: {file}:9: unknown action "Stp"; known are {known}\n'
    missing = run("replay", "no/such/file.json")
    assert (missing.returncode, missing.stdout) == (EXIT.REFUSED, "")
    assert missing.stderr == (
        "error: no/such/file.json: no such file or directory; give the path of a trace\n"
    )


def test_a_trace_of_an_unknown_failure_mode_is_refused(tmp_path: Path) -> None:
    """A trace whose failure mode is not in the catalogue cannot be replayed, and the known ones are named."""
    file = tmp_path / "other.json"
    file.write_text(SMALL_TEXT.replace("FM_001", "FM_999"))
    result = invoke("replay", str(file))
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    known = ", ".join([mode.id for mode in catalogue()])
    assert result.stderr.endswith(f"there is no failure mode 'FM_999'; known are {known}\n")
    assert result.stderr.count("\n") == 1


def test_a_kept_file_that_is_not_a_trace_is_named_by_the_list(folder: Path) -> None:
    """A broken file among the kept ones is refused, and not passed over."""
    (folder / "traces").mkdir()
    (folder / "traces" / "bad.json").write_text("{")
    result = invoke("list")
    assert result.exit_code == EXIT.REFUSED
    assert result.stderr == (
        f"error: {folder / 'traces' / 'bad.json'}:1: the file ends too early; a trace is one JSON object\n"
    )


@pytest.mark.parametrize(
    "command",
    [("run", "FM_001"), ("fidelity",), ("find", "FM_001", "--keep", "another")],
)
def test_a_kept_file_that_is_not_a_trace_is_named_by_each_command(
    command: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that needs the kept traces says so in one line."""
    monkeypatch.setattr(cli_run, "_call", lambda *_: EXIT.AS_EXPECTED)
    monkeypatch.setattr(cli_run, "show", lambda _: None)
    (folder / "traces").mkdir()
    (folder / "traces" / "bad.json").write_text("{")
    result = invoke(*command)
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert result.stderr.startswith(f"error: {folder / 'traces' / 'bad.json'}:1: the file ends too early; ")
    assert result.stderr.count("\n") == 1


DAMAGED = (
    "{",
    "[]",
    '"text"',
    '{"session_seconds": "text"}',
    '{"INV_001": {"seeds": 1}}',
    '{"INV_001": null}',
)


@pytest.mark.parametrize("text", DAMAGED)
@pytest.mark.parametrize("command", ["seeds", "times"])
def test_a_damaged_file_of_results_is_named_and_left_as_it_is(command: str, text: str, folder: Path) -> None:
    """The command says which file, and what to do, before it searches or measures anything."""
    file = folder / "measured.json"
    file.write_text(text)
    result = invoke(command, "FM_001")
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert result.stderr == f"error: {file}: damaged; remove the file, or restore it from the repository\n"
    assert file.read_text() == text


def test_what_the_system_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be made, with its name."""
    monkeypatch.setattr(scaffold, "TEMPLATE", tmp_path / "none")
    result = invoke("new", "FM_900", "name")
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert result.stderr == f"error: {tmp_path / 'none'}: No such file or directory\n"


def test_a_process_of_a_pool_that_dies_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no answer, and the exit code says so."""

    def kill_one(*_: object) -> None:
        active_children()[0].kill()

    monkeypatch.setattr(ProgressLines, "note", kill_one)
    result = invoke("power", "--images", "1000000", "--processes", "2", "--steps", "1")
    assert (result.exit_code, result.stdout) == (EXIT.INCONCLUSIVE, "")
    assert result.stderr == "error: a process that shares the work died, so there is no answer\n"
    assert active_children() == []

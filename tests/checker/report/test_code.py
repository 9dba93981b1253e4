"""A trace as Python: what is printed runs, and says the same as the trace."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.report.code import pytest_of, python_of
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Breaks, Trace
from model.state import Settings
from tests.checker.commands import ROOT, invoke

KEPT = {path.stem: (path, trace) for path, trace in all_kept() if trace.scope.store is StoreKind.SQLITE}
each = pytest.mark.parametrize("name", sorted(KEPT))


def _run(text: str) -> tuple[dict[str, Any], str]:
    """What a program defines, and what it prints."""
    names: dict[str, Any] = {}
    with redirect_stdout(StringIO()) as printed:
        exec(compile(text, "printed.py", "exec"), names)
    return names, printed.getvalue()


def _test_in(text: str) -> Callable[[], None]:
    names, _ = _run(text)
    (found,) = [value for name, value in names.items() if name.startswith("test_")]
    test: Callable[[], None] = found
    return test


@each
def test_a_printed_test_passes_and_holds_the_whole_trace(name: str) -> None:
    """It needs no file: the trace in it equals the one that it was made of."""
    _, trace = KEPT[name]
    text = pytest_of(replay(trace))
    names, _ = _run(text)
    assert names["TRACE"] == trace
    _test_in(text)()


@each
def test_a_printed_program_ends_at_the_same_break(name: str) -> None:
    """It prints the step and the invariant that the trace has."""
    _, trace = KEPT[name]
    _, printed = _run(python_of(replay(trace)))
    assert printed.startswith(f"step {trace.breaks.step}: {trace.breaks.invariant or 'divergence'}: ")


def test_a_printed_test_fails_where_the_trace_breaks_no_more() -> None:
    """It is a test: another step, or another setting that changes the run, makes it fail."""
    _, trace = KEPT["both_commit_after_the_lease_ran_out"]
    longer = evolve(trace.scope, settings=Settings(lease_ms=60_000))
    for changed in (
        evolve(trace, breaks=Breaks(invariant="INV_001", step=7)),
        evolve(trace, scope=longer),
    ):
        with pytest.raises(AssertionError):
            _test_in(pytest_of(replay(changed)))()


def test_a_divergence_and_a_trace_without_a_failure_mode_are_printed_too() -> None:
    """Their targets are others; what is printed runs all the same."""
    _, trace = KEPT["both_commit_after_the_lease_ran_out"]
    diverging = evolve(trace, breaks=Breaks(invariant=None, step=7))
    _test_in(pytest_of(replay(diverging)))()
    assert _run(python_of(replay(diverging)))[1].startswith("step 7: divergence: ")
    guarded = evolve(trace, failure_mode=None)
    assert _run(python_of(replay(guarded)))[1] == ""
    with pytest.raises(AssertionError):
        _test_in(pytest_of(replay(guarded)))()


def test_pytest_runs_the_file_that_the_command_prints(tmp_path: Path) -> None:
    """Nothing but the test is on standard output, so that it can be written to a file."""
    path, _ = KEPT["both_commit_after_the_lease_ran_out"]
    printed = invoke("replay", str(path), "--pytest")
    file = tmp_path / "test_printed.py"
    file.write_text(printed.stdout)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
    assert invoke("replay", str(path), "--pytest", "--json").exit_code == 2
    assert invoke("replay", "--python").exit_code == 2


def test_the_printed_scope_has_what_differs_from_the_usual() -> None:
    """A setting that is as usual is not written."""
    _, trace = KEPT["no_breaker_opens"]
    text = pytest_of(replay(trace))
    assert "jitter_seed=" in text
    assert "backoff_ms" not in text
    assert isinstance(_run(text)[0]["TRACE"], Trace)

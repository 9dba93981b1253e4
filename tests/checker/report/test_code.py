"""A trace as Python: what is printed runs, and says the same as the trace."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.report.code import pytest_of, python_of
from failure_modes.checker.traces.database import all_kept, save
from failure_modes.checker.traces.recording import RecordingLockstep
from failure_modes.checker.traces.replay import Replayed, replay
from failure_modes.checker.traces.trace import Breaks, Trace
from model.actions import Tick
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
def test_a_printed_test_passes(name: str) -> None:
    """It needs no file, for the trace is in it."""
    _, trace = KEPT[name]
    text = pytest_of((replay(trace), None))
    assert "load(" not in text
    _test_in(text)()


def test_a_printed_test_has_ten_lines_at_most() -> None:
    """For each kept trace; none is wider than 100 columns, and `ruff` finds nothing in it."""
    texts = [pytest_of((_as_replayed(trace), None)) for _, trace in all_kept()]
    for text in texts:
        assert len(text.splitlines()) <= 10, text
        assert max(len(line) for line in text.splitlines()) <= 100, text
    together = pytest_of(*[(_as_replayed(trace), None) for _, trace in all_kept()[:4]])
    for text in (*texts, together):
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--quiet",
            "--config",
            str(ROOT / "pyproject.toml"),
            "-",
        ]
        done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), text


def _as_replayed(trace: Trace) -> Replayed:
    """A replay of the trace that did not run: the printed test shows nothing of the run."""
    return Replayed(
        trace=trace,
        mode=failure_mode(trace.failure_mode) if trace.failure_mode else None,
        guarded=False,
        run=cast(RecordingLockstep, None),
        finding=None,
        skipped=(),
        as_expected=True,
    )


def test_a_trace_that_is_too_long_for_ten_lines_is_read_from_its_file(tmp_path: Path) -> None:
    """The test names the file; without one it has the trace in a long line."""
    _, trace = KEPT["both_commit_after_the_lease_ran_out"]
    ticks = tuple([Tick(seconds=seconds) for number in range(60) for seconds in (1 + number, 2)])
    longer = evolve(trace, actions=(*ticks, *trace.actions), breaks=Breaks(invariant="INV_001", step=128))
    file = tmp_path / "long.json"
    save(file, longer)
    text = pytest_of((_as_replayed(longer), str(file)))
    assert len(text.splitlines()) <= 10
    assert f'load("{file}")' in text
    _test_in(text)()
    alone = pytest_of((_as_replayed(longer), None))
    assert len(alone.splitlines()) <= 10
    _test_in(alone)()


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
            _test_in(pytest_of((replay(changed), None)))()


def test_a_divergence_and_a_trace_without_a_failure_mode_are_printed_too() -> None:
    """Their targets are others; what is printed runs all the same."""
    _, trace = KEPT["both_commit_after_the_lease_ran_out"]
    diverging = evolve(trace, breaks=Breaks(invariant=None, step=7))
    _test_in(pytest_of((replay(diverging), None)))()
    assert _run(python_of(replay(diverging)))[1].startswith("step 7: divergence: ")
    guarded = evolve(trace, failure_mode=None)
    assert _run(python_of(replay(guarded)))[1] == ""
    with pytest.raises(AssertionError):
        _test_in(pytest_of((replay(guarded), None)))()


def test_pytest_runs_the_files_that_the_command_prints(tmp_path: Path) -> None:
    """Nothing but the test is on standard output, so that it can be written to a file, of any name."""
    first: dict[str | None, Path] = {}
    for path, trace in KEPT.values():
        first.setdefault(trace.failure_mode, path)
    for number, path in enumerate(first.values()):
        printed = invoke("replay", str(path), "--pytest")
        (tmp_path / f"test_printed_{number}.py").write_text(printed.stdout)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"{len(first)} passed" in done.stdout, done.stdout
    assert len(first) > 10


@pytest.mark.parametrize("command", [("find", "FM_014"), ("replay", str(KEPT["given_up_in_silence"][0]))])
@pytest.mark.parametrize("also", ["--json", "--python"])
def test_two_forms_are_refused(command: tuple[str, ...], also: str) -> None:
    """Whichever comes last: none of them is silently left out."""
    for options in (("--pytest", also), (also, "--pytest")):
        refused = invoke(*command, *options)
        assert refused.exit_code == 2
        assert "choose one" in refused.stderr


def test_code_needs_a_trace() -> None:
    """All kept traces at once are not printed."""
    assert invoke("replay", "--python").exit_code == 2


def test_the_printed_scope_has_what_differs_from_the_usual() -> None:
    """A setting that is as usual is not written."""
    _, trace = KEPT["no_breaker_opens"]
    text = python_of(replay(trace))
    assert "jitter_seed=" in text
    assert "backoff_ms" not in text
    text = pytest_of((replay(trace), None))
    assert "jitter_seed=" in text
    assert "backoff" not in text

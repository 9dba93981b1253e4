"""A debugger that stops before a step, inside the system's code."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.traces.database import all_kept, save
from failure_modes.checker.traces.debugging import Debugger, NothingToDebug
from failure_modes.checker.traces.replay import replay
from model.actions import Tick
from tests.checker.commands import ROOT, invoke, results_of

KEPT = {path.stem: (path, trace) for path, trace in all_kept() if trace.scope.store is StoreKind.SQLITE}
PATH, TRACE = KEPT["both_commit_after_the_lease_ran_out"]


ALONE = """
import io, json, sys
from failure_modes.checker.traces.debugging import Debugger
from failure_modes.checker.traces.recording import LeftRun
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace_reader import load
step, commands = json.loads(sys.argv[2])
printed = io.StringIO()
debugger = Debugger(io.StringIO("\\n".join([*commands, ""])), printed)
try:
    replayed = replay(load(sys.argv[1]), until=step, debugger=debugger)
except LeftRun:
    found = None
else:
    assert debugger.opened
    found = replayed.as_expected
traced = sys.gettrace() is not None and "pdb" in type(sys.gettrace()).__module__
print(json.dumps([found, traced, printed.getvalue()]))
"""


def debugged(step: int, *commands: str) -> tuple[bool | None, str]:
    """Whether the run was as expected, or None if the debugger left it; and what the debugger printed.

    It runs in a process of its own, as a user's does: leaving a run leaves the trace function of the
    interpreter in the middle, and one that is traced again after that may never end.
    """
    command = [sys.executable, "-c", ALONE, str(PATH), json.dumps([step, commands])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found, traced, printed = json.loads(done.stdout)
    assert not traced
    return found, printed


@pytest.mark.parametrize("step", [1, 2, 3, 7, 8])
def test_it_stops_in_the_code_of_the_system(step: int) -> None:
    """Whatever the process does in that step; and the run goes on to the same end as without it."""
    as_expected, printed = debugged(step, "continue")
    assert as_expected
    place = next(line for line in printed.splitlines() if line.startswith("> "))
    assert "/system/" in place


def test_it_stops_before_the_step() -> None:
    """The steps before it have run, and nothing of it: no effect is there, and B is in its handler."""
    _, printed = debugged(7, "p job.key", "quit")
    assert "'k1'" in printed
    stopped, _ = debugged(7, "quit")
    assert stopped is None
    before = replay(TRACE, until=7)
    assert (len(before.steps), before.finding, before.as_expected) == (6, None, True)


def test_stepping_stays_in_the_system() -> None:
    """`step` never leads into the checker."""
    _, printed = debugged(3, *["step"] * 25, "quit")
    places = [line for line in printed.splitlines() if line.startswith("> ")]
    assert len(places) > 10
    assert [place for place in places if "/checker/" in place] == []


@pytest.mark.parametrize("commands", [("quit",), ("next", "next", "quit"), ("step", "q"), ()])
def test_leaving_the_debugger_leaves_the_run(commands: tuple[str, ...]) -> None:
    """At once, after some lines, and at the end of the input; nothing of it is a finding."""
    assert debugged(2, *commands)[0] is None


def test_a_step_in_which_no_code_runs_is_refused() -> None:
    """Time passes by itself: there is nothing to look at."""
    with pytest.raises(NothingToDebug, match="step 4 is Tick"):
        replay(TRACE, until=4, debugger=Debugger(io.StringIO(), io.StringIO()))


def test_the_command_stops_there_and_can_be_left() -> None:
    """It reads the commands of pdb from its standard input, and exits with 0."""
    command = [sys.executable, "-m", "failure_modes", "replay", str(PATH), "--until", "7", "--pdb"]
    done = subprocess.run(
        command, cwd=ROOT, input="where\nquit\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "step 7: Step of B" in done.stdout
    assert "/system/worker.py" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("left before the end of step 7")


def test_the_command_runs_the_steps_before_one() -> None:
    """Without a debugger it prints the table up to that step."""
    result = invoke("replay", str(PATH), "--until", "4")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("FM_001 duplicate retry: cut before step 4: nothing broken so far  ")
    assert "holds" not in result.stdout
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    assert lines[-1].endswith("--until 4")
    later = invoke("replay", str(PATH), "--until", "8").stdout
    assert "cut before step 8: diverged from the model, and nothing broken so far" in later
    for refused in (
        ("--until", "9"),
        ("--pdb",),
        ("--until", "2", "--real"),
        ("--until", "2", "--pdb", "--json"),
    ):
        assert invoke("replay", str(PATH), *refused).exit_code == 2


def test_a_run_that_was_cut_is_no_verdict_on_the_trace(tmp_path: Path) -> None:
    """The JSON has none; but what breaks before the cut is one, and is not as expected."""
    (result,) = results_of(invoke("replay", str(PATH), "--until", "4", "--json"))
    assert (result["verdict"], result["cut_before"], result["as_expected"]) == (None, 4, True)
    (whole,) = results_of(invoke("replay", str(PATH), "--json"))
    assert (whole["verdict"], whole["cut_before"]) == ("broken", None)
    longer = tmp_path / "longer.json"
    save(longer, evolve(TRACE, actions=(*TRACE.actions, Tick(seconds=1))))
    broken = invoke("replay", str(longer), "--until", "9")
    assert broken.exit_code == 1
    assert "the trace should break nothing before step 9" in broken.stdout

"""The command `prove`: what it prints and exits with, and what becomes of it when it is stopped."""

import json
from multiprocessing import active_children
from pathlib import Path

import pytest

from failure_modes.checker.cli import proof_options, proof_output
from failure_modes.checker.cli import prove as cli_prove
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.proof import proving
from failure_modes.checker.proof.checkpoint import CheckpointError
from failure_modes.checker.proof.proof import Counts
from failure_modes.checker.proof.result import Disagreement
from failure_modes.checker.report import progress
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.traces import replay
from failure_modes.checker.traces.database import kept
from failure_modes.checker.traces.trace_reader import load
from tests.checker.commands import invoke, proved_json, run
from tests.checker.sample_traces import SMALL_TEXT

MODE = failure_mode("FM_001")
SMALL = ("--jobs", "1", "--ticks", "1")
PATIENCE_SECONDS = 60


# What it says.


def test_the_json_of_a_proof_says_it_all() -> None:
    """FM_001 breaks after eight steps and no fewer, its fix holds, and both of them are complete."""
    code, (broken, guarded) = proved_json("FM_001")
    assert code == EXIT.AS_EXPECTED
    assert [(one["system"], one["verdict"]) for one in (broken, guarded)] == [
        ("broken", "broken"),
        ("guarded", "held"),
    ]
    assert (broken["target"], broken["breaks"], broken["shortest"]) == ("INV_001", "INV_001", 8)
    assert (guarded["target"], guarded["breaks"], guarded["shortest"]) == (None, None, None)
    for answer in (broken, guarded):
        assert (answer["failure_mode"], answer["complete"], answer["bound"]) == ("FM_001", True, None)
        assert {type(answer[key]) for key in ("states", "transitions", "depth")} == {int}
        assert 0 < answer["states"] < answer["transitions"]
        assert answer["seconds"] > 0
        assert 10 < answer["peak_memory_mb"] < 10_000
    assert (len(broken["trace"]["actions"]), guarded["trace"]) == (8, None)


def test_the_trace_in_the_json_is_a_trace(tmp_path: Path) -> None:
    """Written to a file it can be replayed, and breaks what it says."""
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(proved_json("FM_001")[1][0]["trace"]))
    assert (load(file).breaks.invariant, load(file).breaks.step) == ("INV_001", 8)
    assert invoke("replay", str(file)).exit_code == EXIT.AS_EXPECTED


def test_the_text_says_how_short_it_is_and_that_the_fix_holds() -> None:
    """The shortest trace, that none is shorter, and the guarded system's answer."""
    result = invoke("prove", "FM_001")
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    assert result.stdout.startswith("FM_001 duplicate retry: 1 job, 2 ticks of 30 s, 1 crash; 2 workers, ")
    assert "shortest possible" in result.stdout
    assert " no trace with fewer than 8 steps breaks INV_001: " in result.stdout
    assert " prevented by commit boundary: complete, nothing breaks in any rea" in result.stdout


def test_the_guarded_system_is_proved_in_a_scope_of_ones_own() -> None:
    """What may happen is what the options say, and is said again."""
    options = (
        "--workers",
        "1",
        "--tick-seconds",
        "30",
        "--tick-seconds",
        "0.5",
        "--granularity",
        "statement",
    )
    result = invoke("prove", *SMALL, "--crashes", "0", *options)
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    first, second = result.stdout.splitlines()
    assert first == "guarded system: 1 job, 1 tick of 30 s or 0.5 s; 1 worker, statement granularity"
    assert second.startswith(" complete, nothing breaks in any reachable state: ")


@pytest.mark.parametrize("mode", [(), ("FM_001",)], ids=["guarded", "FM_001"])
@pytest.mark.parametrize("bound", [("--depth", "3"), ("--states", "20"), ("--seconds", "0.000001")])
def test_a_bound_that_is_hit_is_named(bound: tuple[str, str], mode: tuple[str, ...]) -> None:
    """It never says just ok: it is not complete, and the exit code is 3."""
    name = bound[0].removeprefix("--")
    code, (said,) = proved_json(*mode, *SMALL, *bound)
    assert (code, said["verdict"]) == (EXIT.INCONCLUSIVE, "inconclusive")
    assert (said["complete"], said["bound"]) == (False, name)
    assert (said["shortest"], said["trace"]) == (None, None)
    result = invoke("prove", *mode, *SMALL, *bound)
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert "not complete" in result.stdout
    assert f"{bound[0]} was reached" in result.stdout


def test_a_scope_in_which_it_cannot_break_is_not_as_expected() -> None:
    """Without time no lease runs out: that is known for sure, and the exit code is 1."""
    result = invoke("prove", "FM_001", "--ticks", "0")
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert " the broken system: INV_001 breaks in no reachable state of this scope: " in result.stdout
    code, (broken, _) = proved_json("FM_001", "--ticks", "0")
    assert (code, broken["verdict"], broken["complete"]) == (EXIT.NOT_AS_EXPECTED, "held", True)


def test_a_guarded_system_that_diverges_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace is printed, and it is the shortest. The exit code is that of a divergence."""
    monkeypatch.setattr(cli_prove, "guarded", MODE.fault)
    monkeypatch.setattr(proof_output, "guarded", MODE.fault)
    monkeypatch.setattr(replay, "no_fault", MODE.fault)
    result = invoke("prove", *SMALL, "--processes", "1")
    assert result.exit_code == EXIT.DIVERGED
    assert "shortest possible" in result.stdout
    assert sum(line.startswith(">") for line in result.stdout.splitlines()) == 1
    assert " the guarded system breaks: " in result.stdout
    code, (said,) = proved_json(*SMALL, "--processes", "1")
    assert (code, said["verdict"]) == (EXIT.DIVERGED, "diverged")
    assert said["shortest"] == len(said["trace"]["actions"])


@pytest.mark.parametrize("switch", ["symmetry", "sleep", "answers", "memory", "rows"])
def test_each_reduction_can_be_left_out(switch: str) -> None:
    """It takes longer, and the shortest trace is as short."""
    code, (broken, _) = proved_json("FM_001", f"--no-{switch}")
    assert (code, broken["complete"], broken["shortest"]) == (EXIT.AS_EXPECTED, True, 8)


# --keep


@pytest.mark.parametrize("json_", [(), ("--json",)], ids=["text", "json"])
def test_the_shortest_trace_is_kept(folder: Path, json_: tuple[str, ...]) -> None:
    """It is in the folder under its name, with its reason, and can be replayed."""
    result = invoke("prove", "FM_001", "--keep", "shortest", "--why", "Because.", *json_)
    path = folder / "traces" / "shortest.json"
    assert result.exit_code == EXIT.AS_EXPECTED
    assert json_ or f" replay: python -m failure_modes replay {path}\n" in result.stdout
    assert [file.name for file in (folder / "traces").iterdir()] == ["shortest.json"]
    assert kept(failure_mode("FM_001")) == ((path, load(path)),)
    assert (len(load(path).actions), load(path).why) == (8, "Because.")
    assert invoke("replay", str(path)).exit_code == EXIT.AS_EXPECTED
    again = invoke("prove", "FM_001", "--keep", "another")
    assert (again.exit_code, again.stdout) == (EXIT.REFUSED, "")
    assert again.stderr.startswith("error: shortest.json already keeps the same violation; ")


COUNTED = [kind.replace("_", "-") for kind in proof_options.COUNTED]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("FM_999",), "there is no failure mode 'FM_999'; known are FM_001"),
        (("--keep", "name"), "--keep is for the trace of a failure mode; name one"),
        (("FM_001", "--keep", "../up"), "error: '../up' cannot be the name of a trace"),
        (("--workers", "0"), "Invalid value for '--workers'"),
        (("--workers", "9"), "Invalid value for '--workers'"),
        (("--processes", "0"), "Invalid value for '--processes'"),
        (("--tick-seconds", "0.0001"), "Invalid value for '--tick-seconds'"),
        (("--tick-seconds", "0.0015"), "--tick-seconds 0.0015: whole milliseconds only"),
        (("--tick-seconds", "nan"), "--tick-seconds"),
        (("--granularity", "row"), "Invalid value for '--granularity'"),
        (("--depth", "0"), "Invalid value for '--depth'"),
        (("--states", "0"), "Invalid value for '--states'"),
        (("--seconds", "0"), "Invalid value for '--seconds'"),
        (("--seconds", "nan"), "--seconds"),
        *[((f"--{kind}", "-1"), f"Invalid value for '--{kind}'") for kind in COUNTED],
        *[((f"--{kind}", "201"), f"Invalid value for '--{kind}'") for kind in COUNTED],
        (("--checkpoint", "no/such/folder/proof"), "no/such/folder"),
        (("FM_001", "--checkpoint", "no/such/folder/proof"), "no/such/folder"),
        (("--checkpoint", "tests"), "'tests' is a directory"),
    ],
)
def test_bad_usage_is_refused_with_what_would_be_right(arguments: tuple[str, ...], said: str) -> None:
    """The exit code is 2, nothing is explored, and the message names what was wrong."""
    result = invoke("prove", "--ticks", "0", *arguments)
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert said in " ".join(result.stderr.split())


def test_a_name_that_is_taken_is_refused(folder: Path) -> None:
    """Another trace under the same name is not replaced, and nothing is explored."""
    (folder / "traces").mkdir()
    taken = folder / "traces" / "taken.json"
    taken.write_text(SMALL_TEXT)
    result = invoke("prove", "FM_001", "--keep", "taken")
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert result.stderr == (
        "error: --keep taken: there is already a trace of that name; choose another name\n"
    )
    assert taken.read_text() == SMALL_TEXT


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    """The line names the file, which stays as it is: no traceback."""
    file = tmp_path / "proof"
    file.write_text("{}")
    for mode in ((), ("FM_001",)):
        completed = run("prove", *mode, "--checkpoint", str(file))
        assert (completed.returncode, completed.stdout) == (EXIT.REFUSED, "")
        assert completed.stderr == f"error: {file}: not a checkpoint\n"
    assert (list(tmp_path.iterdir()), file.read_text()) == ([file], "{}")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckpointError("It is so."), EXIT.REFUSED),
        (Unexplorable("It is so."), EXIT.REFUSED),
        (NotDeterministic("It is so."), EXIT.REFUSED),
        (Disagreement("It is so."), EXIT.NOT_AS_EXPECTED),
    ],
)
def test_what_cannot_be_proved_is_told_in_one_line(
    error: Exception, code: EXIT, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the proof stumbled over, its message is what the user sees."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli_prove, "explore_all", fail)
    result = invoke("prove")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "error: It is so.\n")


def test_a_process_that_is_killed_is_told_of_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer, no traceback, and no process left."""
    monkeypatch.setattr(proving, "SMALL_STATES", 0)

    def kill_one(self: object, counts: Counts, depth: int, seconds: float) -> None:
        del self, counts, depth, seconds
        active_children()[0].kill()

    monkeypatch.setattr(progress._PlainProof, "__call__", kill_one)  # noqa: SLF001
    result = invoke("prove", "--processes", "2")
    assert (result.stdout, result.exit_code in {EXIT.REFUSED, EXIT.INCONCLUSIVE}) == ("", True)
    assert "a process of the proof died" in result.stderr
    assert (result.stderr.count("\n"), active_children()) == (1, [])


# Stopped from outside.

"""A divergence is a finding: it can be looked for, is marked in a replay, and has an exit code of its own."""

from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker import (
    DIVERGENCE,
    Bounds,
    Expected,
    FailureMode,
    Scope,
    Strategy,
    catalogue,
    guarded,
    load,
    rendered,
    replay,
)
from failure_modes.checker.cli import replay as cli_replay
from failure_modes.checker.cli.exits import EXIT, worst
from failure_modes.checker.experiment.scope import Fault
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.traces.trace import Breaks, Trace, to_json
from model.actions import Action, Enqueue, Step
from tests.checker.commands import invoke, object_of, results_of
from tests.checker.oracle.test_breakages import DueTimeOfItsOwn, transactions
from tests.checker.torn_recovery import in_catalogue

BOTH_COMMIT = catalogue()[0].folder / "traces" / "both_commit_after_the_lease_ran_out.json"
"""It diverges at step 7, and breaks INV_001 at step 8."""

ENQUEUED: tuple[Action, ...] = (Enqueue(key="k1"),)
LEASED: tuple[Action, ...] = (*ENQUEUED, Step(worker="A"))

ONLY_DIVERGES = FailureMode(
    title="due time of its own",
    breaks="INV_003",
    trigger="a job is enqueued",
    policy="none",
    fault=transactions(DueTimeOfItsOwn),
    scope=Scope(workers=1),
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1)), steps=6),
    bounds=Bounds(jobs=1),
    expected=Expected(shortest=1, states=1, must_reach=()),
    folder=Path("FM_997_due_time_of_its_own"),
)
"""It breaks no invariant: its rows are not those of the model, and nothing else is wrong."""


def written(
    tmp_path: Path, breaks: Breaks, *, mode_id: str | None = "FM_997", actions: tuple[Action, ...] = LEASED
) -> str:
    """A trace of the failure mode, in a file."""
    file = tmp_path / "trace.json"
    trace = Trace(
        failure_mode=mode_id, scope=ONLY_DIVERGES.scope, breaks=breaks, why="It differs.", actions=actions
    )
    file.write_text(to_json(trace))
    return str(file)


def test_no_invariant_sees_what_only_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    """`find` finds nothing and exits with 1: without `--diverges` the fault cannot be hunted."""
    mode_id = in_catalogue(ONLY_DIVERGES, monkeypatch)
    result = invoke("find", mode_id, "--examples", "20")
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert "INV_003 did not break in " in result.stdout


def test_find_looks_for_the_first_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found, made as short as it can be, and marked; the exit code is 0."""
    mode_id = in_catalogue(ONLY_DIVERGES, monkeypatch)
    result = invoke("find", mode_id, "--diverges", "--examples", "50")
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    lines = result.stdout.splitlines()
    assert (
        lines[0]
        == f"{mode_id} {ONLY_DIVERGES.title} diverges from the model      sqlite · transaction · 1 step"
    )
    assert [line.split()[:2] for line in lines if line.startswith((">", "~"))] == [[">", "1"]]
    assert f" replay: python -m failure_modes find {mode_id} --diverges --seed 0 --examples 50" in lines


def test_the_json_of_a_divergence_has_a_verdict_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is `diverged`, the target is `divergence`, and no invariant is named."""
    mode_id = in_catalogue(ONLY_DIVERGES, monkeypatch)
    said = object_of(invoke("find", mode_id, "--diverges", "--examples", "50", "--json"))
    (found,) = said["results"]
    assert (said["verdict"], said["exit"]) == ("diverged", EXIT.AS_EXPECTED)
    assert (found["target"], found["found"], found["breaks"], found["length"]) == (
        "divergence",
        True,
        None,
        1,
    )


def test_a_search_of_the_right_system_for_a_divergence_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1, as where no invariant breaks."""
    mode_id = in_catalogue(
        evolve(ONLY_DIVERGES, fault=lambda queue: evolve(queue, lease_seconds=30.0)), monkeypatch
    )
    monkeypatch.setattr(FailureMode, "has_fault", True)
    result = invoke("find", mode_id, "--diverges", "--examples", "20")
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert "the system did not diverge from the model in " in result.stdout


def test_a_divergence_and_an_invariant_are_not_looked_for_together() -> None:
    """`--breaks` beside `--diverges` is refused."""
    result = invoke("find", "FM_001", "--diverges", "--breaks", "INV_001")
    assert result.exit_code == EXIT.REFUSED
    assert "--diverges searches for no invariant; leave out --breaks" in result.stderr


def test_a_replay_that_only_diverges_says_so_and_marks_the_last_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace that should break an invariant, and differs in its last row: 4, and no word of `holds`."""
    in_catalogue(ONLY_DIVERGES, monkeypatch)
    file = written(tmp_path, Breaks(invariant="INV_003", step=1), actions=ENQUEUED)
    result = invoke("replay", file)
    assert (result.exit_code, int(EXIT.DIVERGED)) == (EXIT.DIVERGED, 4)
    lines = result.stdout.splitlines()
    assert lines[0].startswith(
        "FM_997 due time of its own diverges from the model, and does not break INV_003  "
    )
    assert [line.split()[:2] for line in lines if line.startswith((">", "~"))] == [["~", "1"]]
    assert " diverged at step 1: job-1.timed is False in the model, True in the system" in lines
    (said,) = results_of(invoke("replay", file, "--json"))
    assert (said["verdict"], said["breaks"], said["diverges"]) == ("diverged", None, True)


def test_a_kept_divergence_replays_as_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace of a divergence diverges at its step: exit code 0, and `>` marks the row."""
    in_catalogue(ONLY_DIVERGES, monkeypatch)
    result = invoke("replay", written(tmp_path, Breaks(invariant=None, step=1)))
    assert result.exit_code == EXIT.AS_EXPECTED
    assert [line.split()[:2] for line in result.stdout.splitlines() if line[:1] in (">", "~")] == [[">", "1"]]


def test_a_violation_is_told_apart_from_a_divergence() -> None:
    """A violation has `>`, a divergence before it has `~`, and the verdict is `broken`."""
    path, trace = BOTH_COMMIT, load(BOTH_COMMIT)
    text = rendered(replay(trace)).splitlines()
    assert [line[0] for line in text if line[:1] in (">", "~")] == ["~", ">"]
    (said,) = results_of(invoke("replay", str(path), "--json"))
    assert (said["verdict"], said["breaks"], said["diverges"]) == ("broken", trace.breaks.invariant, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("prevent", "FM_997", "--examples", "20"), EXIT.DIVERGED),
        (("prove", "FM_997"), EXIT.DIVERGED),
    ],
    ids=["prevent", "prove"],
)
def test_a_divergence_of_the_right_system_has_the_exit_code(
    arguments: tuple[str, ...], code: EXIT, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing may be found, a divergence alone is 4, and its verdict is `diverged`."""
    control: Fault = transactions(DueTimeOfItsOwn)
    in_catalogue(evolve(ONLY_DIVERGES, control=control), monkeypatch)
    said = object_of(invoke(*arguments, "--json"))
    assert (said["exit"], said["verdict"]) == (code, "diverged")


def test_a_violation_stands_before_a_divergence() -> None:
    """The worst of several answers: 1, then 4, then 2, then 3."""
    assert worst([EXIT.DIVERGED, EXIT.NOT_AS_EXPECTED]) is EXIT.NOT_AS_EXPECTED
    assert worst([EXIT.REFUSED, EXIT.DIVERGED, EXIT.INCONCLUSIVE]) is EXIT.DIVERGED


def test_a_divergence_target_goes_past_every_invariant() -> None:
    """The right system has none, and the broken one diverges at its first row."""
    assert run_actions(ONLY_DIVERGES.scope, guarded, DIVERGENCE, LEASED) is None
    found = run_actions(ONLY_DIVERGES.scope, ONLY_DIVERGES.fault, DIVERGENCE, LEASED)
    assert found is not None
    assert (found.finding.invariant, found.finding.step) == (None, 1)


# replay without a trace


def _first(monkeypatch: pytest.MonkeyPatch, *modes: FailureMode) -> None:
    monkeypatch.setattr(cli_replay, "catalogue", lambda: modes)


@pytest.mark.parametrize(
    ("options", "on"), [((), "the broken systems"), (("--guarded",), "the guarded system")]
)
def test_without_a_trace_every_kept_trace_is_replayed(
    options: tuple[str, ...], on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each, then how many were as expected; exit code 0."""
    _first(monkeypatch, *catalogue()[:2])
    result = invoke("replay", *options)
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    *lines, summary = result.stdout.splitlines()
    assert lines[0].startswith("FM_001 both_commit_after_the_lease_ran_out: ")
    assert {line.rpartition(": ")[2].split()[0] for line in lines} == {"holds" if options else "breaks"}
    assert summary == f"{len(lines)} kept traces on {on}: {len(lines)} as expected"


def test_one_trace_that_is_not_as_expected_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line says so, it is shown whole, and the exit code is 1."""
    first = catalogue()[0]
    _first(monkeypatch, first)
    kept = [
        (
            Path("one.json"),
            evolve(load(BOTH_COMMIT), breaks=Breaks(invariant="INV_001", step=1)),
        )
    ]
    monkeypatch.setattr(cli_replay, "kept", lambda _: kept)
    result = invoke("replay")
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    first_line, *whole, last_line = result.stdout.splitlines()
    assert first_line == "FM_001 one: not as expected: the trace should break INV_001 at step 1"
    assert (
        whole == rendered(replay(load(BOTH_COMMIT)), command=whole[-1].removeprefix(" replay: ")).splitlines()
    )
    assert last_line == "1 kept trace on the broken systems: 0 as expected"


def test_what_this_machine_cannot_replay_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the traces of PostgreSQL are not run: exit code 3, and a line says which."""

    def refuse(*_: object, **__: object) -> None:
        raise NotInstalled("there is no server")

    _first(monkeypatch, catalogue()[0])
    monkeypatch.setattr(cli_replay, "run_again", refuse)
    result = invoke("replay")
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert "error: FM_001 both_commit_after_the_lease_ran_out: there is no server\n" in result.stderr

"""The regression database is looked after: listed, checked, pruned, and merged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.cli.saving import PLACE
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.traces.database import all_kept, kept, save
from failure_modes.checker.traces.trace import Breaks, Trace, to_json
from failure_modes.checker.traces.trace_reader import load
from failure_modes.checker.traces.upkeep import Health, check
from model.actions import Step
from tests.checker.commands import ROOT, invoke, results_of

ON_SQLITE = tuple([entry for entry in all_kept() if entry[1].scope.store is StoreKind.SQLITE])
PATH, TRACE = kept(failure_mode("FM_001"))[0]


def longer(trace: Trace) -> Trace:
    """The same trace with a step that finds nothing to do."""
    assert trace.breaks.step is not None
    return evolve(
        trace,
        breaks=Breaks(invariant=trace.breaks.invariant, step=trace.breaks.step + 1),
        actions=(Step(worker="A"), *trace.actions),
    )


def test_each_kept_trace_is_good() -> None:
    """None breaks no more, and none shows only what a shorter one shows."""
    bad = [
        (path.name, found.reason)
        for path, trace in ON_SQLITE
        if (found := check(path, trace, ON_SQLITE)).reason
    ]
    assert bad == []


def test_a_trace_that_breaks_no_more_is_stale() -> None:
    """Another step than recorded is enough."""
    changed = evolve(TRACE, breaks=Breaks(invariant="INV_001", step=7))
    found = check(PATH, changed, ())
    assert (found.health, found.reason) == (Health.STALE, "it breaks INV_001 at step 8")


def test_a_trace_with_a_step_too_many_is_dull() -> None:
    """But only beside the shorter one, and only in the same scope."""
    found = check(Path("longer.json"), longer(TRACE), ON_SQLITE)
    assert (found.health, found.reason) == (Health.DULL, f"{PATH.name} is shorter")
    assert check(Path("longer.json"), longer(TRACE), ()).health is Health.GOOD
    elsewhere = [(PATH, evolve(TRACE, scope=evolve(TRACE.scope, workers=3)))]
    assert check(Path("longer.json"), longer(TRACE), elsewhere).health is Health.GOOD


def test_a_longer_trace_that_shows_something_else_is_not_dull() -> None:
    """The trace of FM_017 that commits has the actions of a shorter one, and an event that is not in it."""
    traces = dict(kept(failure_mode("FM_017")))
    both = {path.stem: (path, trace) for path, trace in traces.items()}
    assert check(*both["commit_undone"], tuple(both.values())).health is Health.GOOD


def listed(*arguments: str) -> list[dict[str, Any]]:
    """The traces that the command lists."""
    return results_of(invoke("traces", *arguments, "--json"))


def test_the_list_is_filtered() -> None:
    """By failure mode, invariant, policy, length, store and granularity, and by all of them together."""
    assert len(listed()) == len(all_kept())
    assert {one["failure_mode"] for one in listed("FM_001", "FM_013")} == {"FM_001", "FM_013"}
    assert {one["breaks"] for one in listed("--breaks", "INV_005")} == {"INV_005"}
    assert all("breaker" in one["policy"] for one in listed("--policy", "Breaker"))
    assert max(one["length"] for one in listed("--steps-max", "5")) == 5
    assert {one["store"] for one in listed("--store", "postgresql")} == {"postgresql"}
    assert listed("FM_001", "--breaks", "INV_006") == []
    lines = invoke("traces", "FM_001").stdout.splitlines()
    assert (len(lines), lines[-1]) == (5, "3 traces")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, in which traces can be kept and removed."""
    for name in ("failure_modes", "model", "system", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def in_project(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line of the copy."""
    return subprocess.run(
        [sys.executable, "-m", "failure_modes", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_prune_removes_what_the_check_found_and_says_what(project: Path) -> None:
    """The file and its expected texts are gone; the others, and the last of a failure mode, stay."""
    folder = project / "failure_modes" / PATH.parents[1].name
    save(folder / "traces" / "dull_one.json", longer(TRACE))
    (folder / "expected" / "dull_one.broken.txt").write_text("what it printed")
    alone = (
        project
        / "failure_modes"
        / failure_mode("FM_004").folder.name
        / "traces"
        / "dead_with_a_job_in_hand.json"
    )
    save(alone, evolve(load(alone), breaks=Breaks(invariant="INV_004", step=1)))
    before = sorted(path.name for path in (folder / "traces").iterdir())
    checked = in_project(project, "traces", "FM_001", "FM_004", "--check")
    assert checked.returncode == 1
    assert "5 traces checked: 3 good, 1 stale, 1 dull" in checked.stdout
    assert sorted(path.name for path in (folder / "traces").iterdir()) == before
    pruned = in_project(project, "traces", "FM_001", "FM_004", "--prune")
    assert [line for line in pruned.stdout.splitlines() if line.startswith("removed: ")] == [
        f"removed: failure_modes/{folder.name}/traces/dull_one.json",
        f"removed: failure_modes/{folder.name}/expected/dull_one.broken.txt",
    ]
    assert "stays: it is the last trace of FM_004" in pruned.stderr
    assert alone.exists()
    assert in_project(project, "traces", "FM_001", "--check").returncode == 0


def test_what_a_search_saved_is_listed_and_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--found` looks at the saved traces in place of the kept ones."""
    monkeypatch.setenv(PLACE, str(tmp_path))
    assert listed("--found") == []
    save(tmp_path / "found" / "short.json", TRACE)
    save(tmp_path / "found" / "long.json", longer(TRACE))
    assert len(listed("--found")) == 2
    assert invoke("traces", "--found", "--prune").exit_code == 0
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["short.json"]


def git(project: Path, *arguments: str) -> str:
    """What git prints. The test fails if it fails."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_branches_that_each_keep_a_trace_merge(project: Path) -> None:
    """Of one failure mode, each beside the other: git has no conflict, and the documents stay fresh."""
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "the project")
    folder = project / "failure_modes" / PATH.parents[1].name / "traces"
    for number, name in enumerate(("kept_by_one", "kept_by_the_other")):
        git(project, "switch", "-q", "-c", name, "main")
        scope = evolve(TRACE.scope, workers=3 + number)
        (folder / f"{name}.json").write_text(to_json(evolve(TRACE, scope=scope, why=f"Kept by {name}.")))
        assert in_project(project, "docs").returncode == 0
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", f"keep {name}")
        assert git(project, "show", "--stat", "--format=").count("|") == 1, "a kept trace is one file"
    git(project, "merge", "-q", "--no-edit", "kept_by_one")
    assert in_project(project, "docs", "--check").returncode == 0
    found = json.loads(in_project(project, "traces", "FM_001", "--json").stdout)
    names = {Path(one["trace"]).stem for one in found["results"]}
    assert {"kept_by_one", "kept_by_the_other"} < names

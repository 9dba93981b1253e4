"""The printed text of a run is exact: the same for everyone who replays a trace, wherever and whenever.

The expected text of a kept trace is in the folder `expected` of its failure mode. A change of the text is a
change of what users read: look at the difference, then copy what was printed.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import catalogue, failure_mode
from failure_modes.checker.experiment.scope import Granularity
from failure_modes.checker.report.pages.page import page_text
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.subject.worlds import why_not_here
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import to_json
from failure_modes.checker.traces.trace_reader import load
from model.actions import PRODUCER, RECONCILER, Action, Crash, Enqueue, Fail, Step, Tick
from tests.checker.commands import ROOT
from tests.checker.sample_traces import SMALL

EXPECTED = Path(__file__).parent / "expected"
A, B, P = Step(worker="A"), Step(worker="B"), Step(worker=PRODUCER)

STATEMENTS = evolve(
    SMALL,
    scope=evolve(SMALL.scope, granularity=Granularity.STATEMENT),
    actions=(
        Enqueue(key="k1"),
        *[P] * 6,
        *[A] * 3,
        B,
        *[A] * 2,
        Crash(worker="A"),
        *[B] * 4,
        Tick(seconds=29.5),
        *[B] * 5,
    ),
)
"""A dies inside the transaction that B waits for; B leases the job instead, and time passes meanwhile."""

DRIVER = """
import contextlib, json, os, sys
from failure_modes.checker.cli.main import main
for folder, arguments in json.loads(sys.argv[1]):
    os.chdir(folder)
    with contextlib.suppress(SystemExit):
        main(arguments)
    print("-----")
"""


def runs(folder: Path) -> dict[Path, tuple[Path, list[str]]]:
    """What is replayed, by the file that has the expected text: from which folder, and how."""
    (folder / "statements.json").write_text(to_json(STATEMENTS))
    kept = [
        (path.parent.parent / "expected" / path.stem, ROOT, path.relative_to(ROOT).as_posix())
        for path, trace in all_kept()
        if why_not_here(trace.scope.store) is None
    ]
    found: dict[Path, tuple[Path, list[str]]] = {}
    for name, start, path in [*kept, (EXPECTED / "statements", folder, "statements.json")]:
        found[name.with_suffix(".broken.txt")] = start, ["replay", path]
        found[name.with_suffix(".guarded.txt")] = start, ["replay", path, "--guarded"]
    return found


def printed(folder: Path, python: str, hash_seed: str) -> dict[Path, str]:
    """What each run prints in a fresh process of that Python."""
    wanted = runs(folder)
    jobs = json.dumps([[str(start), arguments] for start, arguments in wanted.values()])
    completed = subprocess.run(
        [python, "-c", DRIVER, jobs],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    return dict(zip(wanted, completed.stdout.split("-----\n"), strict=False))


def expected(folder: Path) -> dict[Path, str]:
    """What each run should print."""
    return {file: file.read_text(encoding="utf-8") for file in runs(folder)}


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_the_text_is_exact_whatever_the_hash_seed(tmp_path: Path, hash_seed: str) -> None:
    """Each run, broken and guarded, prints the text it always printed, with any seed of Python's hashes."""
    assert printed(tmp_path, sys.executable, hash_seed) == expected(tmp_path)


@pytest.mark.skipif("OTHER_PYTHON" not in os.environ, reason="OTHER_PYTHON names no other Python")
def test_the_text_is_exact_on_another_python(tmp_path: Path) -> None:
    """Each Python named by OTHER_PYTHON (several with the separator of PATH) prints the same."""
    for python in os.environ["OTHER_PYTHON"].split(os.pathsep):
        assert printed(tmp_path, python, "random") == expected(tmp_path), python


def test_every_expected_text_is_printed_by_a_run(tmp_path: Path) -> None:
    """No file with expected text is left over from a trace that is gone."""
    folders = [EXPECTED, *[mode.folder / "expected" for mode in catalogue()]]
    kept_elsewhere = {
        file
        for path, trace in all_kept()
        if why_not_here(trace.scope.store) is not None
        for file in path.parent.parent.glob(f"expected/{path.stem}.*.txt")
    }
    there = {file for folder in folders for file in folder.glob("*.txt")}
    assert there - kept_elsewhere == set(runs(tmp_path))


@pytest.mark.parametrize("guarded", [False, True])
def test_the_text_is_the_same_when_replayed_again(*, guarded: bool) -> None:
    """Nothing of a run is left behind that a second one in the same process would show."""
    for trace in (*[trace for _, trace in all_kept()], STATEMENTS):
        first = replay(trace, guarded=guarded)
        again = replay(trace, guarded=guarded)
        assert rendered(first) == rendered(again)
        of_faults: list[Action] = [Step(worker=PRODUCER), Step(worker=RECONCILER)]  # of work torn in two
        if trace.failure_mode == "FM_003":
            of_faults.append(Fail(worker="A"))  # only without limits has A a job that could fail
        left_out = [action for action in first.skipped if not guarded or action not in of_faults]
        assert left_out == [], "the trace fits the system"


def test_a_recovery_without_an_end_is_cut() -> None:
    """Its beginning, the first divergence and its end are shown, and one line counts what is left out."""
    mode = failure_mode("FM_010")
    replayed = replay(load(mode.folder / "traces" / "kills_every_worker.json"))
    lines = rendered(replayed).splitlines()
    assert len(replayed.steps) > 400
    assert len(lines) < 40
    (gap,) = [line for line in lines if line.lstrip().startswith("...")]
    shown = [line for line in lines if re.match(r".{1,2} *(end|\d+) ", line)]
    assert f"{len(replayed.steps) - len(shown)} steps" in gap
    assert [line[0] for line in shown if line[0] != " "] == ["~", ">"]
    assert shown[-1].startswith(">")
    page = page_text([replayed])
    assert f"{len(replayed.steps) - len(shown)} steps before its last ones are not shown" in page
    assert f"{len(replayed.steps) - len(shown)} steps before</span>" in page
    assert page.count('<article class="detail"') == len(shown)

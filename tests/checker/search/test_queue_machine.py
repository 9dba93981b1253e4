"""The Hypothesis machine of any queue: the files of `docs/your_queue.md` do what that document says."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine

from failure_modes.checker import QueueMachine
from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.search.drivers.hypothesis import SearchMachine, _Stopped
from failure_modes.checker.search.judged_run import DANGERS
from failure_modes.checker.search.queue_machine import REST
from failure_modes.checker.search.shared_runs import NeverReached
from tests.subjects.tables import RIGHT

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "your_queue.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```(python [\w. ]+|text)\n(.*?)```", TEXT, re.DOTALL))


def _tested(folder: Path, jobs: str, seed: int, *options: str) -> tuple[int, str]:
    """Run the test file of the document on a queue."""
    (folder / "jobs.py").write_text(jobs)
    (folder / "test_jobs.py").write_text(BLOCKS["python test_jobs.py"])
    command = [sys.executable, "-m", "pytest", "-q", f"--hypothesis-seed={seed}", "-p", "no:cacheprovider"]
    command += options
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("CI", None)  # there Hypothesis has a profile that takes no seed
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_the_test_file_finds_the_fault(tmp_path: Path) -> None:
    """The printed program is the one of the document, but for the name of the worker."""
    code, printed = _tested(tmp_path, BLOCKS["python jobs.py"], 1)
    assert code == 1
    shown = [line.partition("E ")[2].strip() for line in printed.splitlines() if line.startswith("E ")]
    found = [line.partition("machine_run.")[2] or line for line in shown]
    wanted = BLOCKS["text"].strip().splitlines()
    same = {"worker='B'": "worker='A'", "B runs": "A runs"}
    renamed = [_replaced(line, same) for line in found]
    assert renamed[: len(wanted)] == [_replaced(line, same) for line in wanted]


def test_the_right_queue_passes(tmp_path: Path) -> None:
    """With the other `take` of the document the same test file finds nothing, and says what it reached."""
    wrong = BLOCKS["python jobs.py"]
    begin, end = wrong.index("def take"), wrong.index("def done")
    right = f"{wrong[:begin]}{BLOCKS['python right take']}\n\n{wrong[end:]}"
    code, printed = _tested(tmp_path, right, 1, "--hypothesis-show-statistics")
    assert code == 0, printed
    for reached in DANGERS:
        assert f"%, {reached}" in printed
    assert "NeverReached" not in printed


def test_the_test_file_is_short() -> None:
    """A user's whole test file has at most 25 lines that are not empty."""
    lines = [line for line in BLOCKS["python test_jobs.py"].splitlines() if line.strip()]
    assert len(lines) <= 25


def test_the_machine_is_a_plain_state_machine() -> None:
    """Its rules have names, and a user may set its settings and add rules by subclassing."""

    class Machine(QueueMachine):
        adapter = RIGHT

    assert issubclass(Machine, RuleBasedStateMachine)
    for name in (
        "enqueue",
        "step_worker",
        "crash_worker",
        "stall_worker",
        "tick",
        "fail_job",
        "housekeeping",
    ):
        assert callable(getattr(Machine, name))
    Machine.TestCase.settings = settings(max_examples=5, stateful_step_count=5, database=None)
    Machine.TestCase().runTest()


def test_a_mix_that_never_meets_the_danger_is_seen() -> None:
    """A machine whose workers are never stopped says what it has not reached."""

    class Harmless(QueueMachine):
        adapter = RIGHT
        weights: ClassVar = dict.fromkeys(
            ("step_worker", "stall_worker", "overtake_worker", "crash_worker"), 0
        )

    Harmless.TestCase.settings = settings(Harmless.TestCase.settings, max_examples=5, database=None)
    with pytest.warns(
        NeverReached, match=f"Harmless never reached: {', '.join(DANGERS)}; so it shows little"
    ):
        Harmless.TestCase().debug()


class _Fails:
    """A run in which each move fails with an error of another kind."""

    reached: ClassVar[Counter[str]] = Counter()
    finished = False

    def take(self, moves: tuple[Any, ...]) -> None:
        """Fail."""
        raise ValueError(moves)

    def finish(self) -> None:
        """Note it."""
        self.finished = True

    def close(self) -> None:
        """Do nothing."""


def test_after_an_error_of_another_kind_nothing_more_happens() -> None:
    """The run is in no known state, so no rule can happen, and its end is not judged."""

    class Machine(QueueMachine):
        adapter = RIGHT

    run: Any = _Fails()
    ended_by: list[BaseException] = []
    for machine, error in ((Machine(run), ValueError), (SearchMachine(run, ended_by), _Stopped)):
        with pytest.raises(error):
            machine.tick(1)
        assert machine.choices() == (REST,)
        machine.teardown()
        assert not run.finished
    assert isinstance(ended_by[0], ValueError)


def test_the_test_file_of_our_queue_breaks_and_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other test file of the document does what the document says."""
    tests: dict[str, Any] = {}
    exec(BLOCKS["python test_duplicates.py"], tests)
    monkeypatch.setattr(tests["Prevented"], "must_reach", ("a lease expired",))  # few examples reach no more
    for name, examples in (("TestDuplicates", 400), ("TestPrevented", 40)):
        quick: dict[str, Any] = {"database": None, "derandomize": True, "phases": (Phase.generate,)}
        tests[name].settings = settings(tests[name].settings, **quick, max_examples=examples)
    with pytest.raises(Violation, match="INV_001"):
        tests["TestDuplicates"]().debug()
    tests["TestPrevented"]().debug()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_more_seeds_find_the_fault(tmp_path: Path, seed: int) -> None:
    """Each seed finds it."""
    code, printed = _tested(tmp_path, BLOCKS["python jobs.py"], seed)
    assert code == 1
    assert "QueueBroke" in printed


def _replaced(line: str, names: dict[str, str]) -> str:
    for name, other in names.items():
        line = line.replace(name, other)
    return line

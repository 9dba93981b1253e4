"""What is wrong with a learner's code is said in one line: what, in which line, and what would be right."""

from pathlib import Path

import pytest

from failure_modes.checker.training import child, learner_code
from failure_modes.checker.training.child import judge_in_child
from failure_modes.checker.training.exercises import Exercise, Round, exercises
from failure_modes.checker.training.judging import Judgement, Outcome
from failure_modes.checker.training.learner_code import Demand, Unusable
from system.policies import CommitBoundary, Idempotency

STAR = "from system.policies import *\n"
DEMAND = Demand(name="MyCommitBoundary", right=CommitBoundary, methods=("commit",))

BAD = {
    "a syntax error": (STAR + "def x(:\n", "line 2: invalid syntax; Python cannot read"),
    "a module that is missing": ("import nothing_here\n", "line 1: ModuleNotFoundError"),
    "an error at the top": ("\n\n1 / 0\n", "line 3: ZeroDivisionError"),
    "an exit": ("import sys\nsys.exit(3)\n", "line 2: SystemExit"),
    "no class": (STAR, "there is no class MyCommitBoundary"),
    "no method": (
        STAR + "class MyCommitBoundary(CommitBoundary):\n    pass\n",
        "no method commit of its own",
    ),
    "the right method under its name": (
        STAR + "class MyCommitBoundary(CommitBoundary):\n    commit = CommitBoundary.commit\n",
        "no method commit of its own",
    ),
    "a call of the right method": (
        STAR + "class MyCommitBoundary(CommitBoundary):\n    def commit(self, *a):\n"
        "        return super().commit(*a)\n",
        "line 4: this calls the queue's own commit",
    ),
    "a call of a right policy under another name": (
        STAR + "Old = CommitBoundary\nclass MyCommitBoundary:\n    def commit(self, *a):\n"
        "        return Old().commit(*a)\n",
        "line 5: this calls the queue's own commit",
    ),
    "a call of a right policy": (
        STAR + "class MyCommitBoundary:\n    def commit(self, *a):\n"
        "        return CommitBoundary().commit(*a)\n",
        "line 4: this calls the queue's own commit",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_code_that_cannot_be_judged_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    """The message names the file, and has no line break."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unusable) as refused:
        learner_code.load(path, DEMAND)
    said = str(refused.value)
    assert said.startswith("mine.py")
    assert message in said
    assert "\n" not in said


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no error of Python."""
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Unusable, match="UTF-8"):
        learner_code.load(path, DEMAND)


def test_a_fact_of_the_kata_stays(tmp_path: Path) -> None:
    """A value that is a fact of the story may not be changed."""
    path = tmp_path / "mine.py"
    path.write_text("AHEAD = 0\nclass MyIdempotency:\n    pass\n", encoding="utf-8")
    demand = Demand(name="MyIdempotency", right=Idempotency, methods=(), facts={"AHEAD": 30})
    with pytest.raises(Unusable, match="AHEAD is a fact"):
        learner_code.load(path, demand)


def _first() -> Exercise:
    return next(one for one in exercises() if one.round is Round.MEND and one.katas[0].slot == "idempotency")


def _in_child(tmp_path: Path, text: str, seconds: float = 60.0) -> Judgement:
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return judge_in_child(_first(), path, seconds)


ACCEPT = (
    STAR
    + "import os, random\nclass MyIdempotency(Idempotency):\n    def accept(self, store, *, key, **rest):\n"
)

RIGHT = """\
        with store.transaction() as tx:
            found = tx.job_by_key(key)
            if found:
                tx.record(
                    event=EventKind.DUPLICATE,
                    operation=Operation.ENQUEUE,
                    actor=rest["actor"],
                    job_id=found.id,
                )
                return Accepted(job=found, existed=True)
            job = tx.add_job(key=key, payload_json=rest["payload_json"], attempts_max=rest["attempts_max"])
            tx.record(
                event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor=rest["actor"], job_id=job.id
            )
            return Accepted(job=job, existed=False)
"""

UNUSABLE = {
    "raises": ("        return None + 1\n", "line 5: TypeError"),
    "exits": ("        os._exit(3)\n", "ended the process"),
    "eats the memory": ("        return bytearray(10**13)\n", "line 5: MemoryError"),
}


@pytest.mark.parametrize(("body", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_code_that_fails_in_the_run_gets_one_line(body: str, message: str, tmp_path: Path) -> None:
    """An error in a policy, and an end of its process, are no traces and no tracebacks."""
    found = _in_child(tmp_path, ACCEPT + body)
    assert found.outcome is Outcome.UNUSABLE
    assert message in found.text
    assert "\n" not in found.text


def test_code_that_hangs_gets_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without an end is told from a long proof, and its line is named."""
    found = _in_child(tmp_path, "import threading\n" + ACCEPT + "        threading.Event().wait()\n")
    assert found.outcome is Outcome.UNUSABLE
    assert "line 6: still running" in found.text
    monkeypatch.setattr(child, "SILENT_SECONDS", 3.0)
    found = _in_child(tmp_path, "x = 10**10**10\n")
    assert "stops Python for 3 s" in found.text


def test_a_file_that_hangs_gets_one_line_however_short_the_time(tmp_path: Path) -> None:
    """A file that does not end hangs, also if the time of the check is over before that is sure."""
    found = _in_child(tmp_path, "import threading\n\nthreading.Event().wait()\n", 0.5)
    assert found.outcome is Outcome.UNUSABLE
    assert "line 3: still running" in found.text
    assert "\n" not in found.text


def test_a_value_that_is_kept_in_memory_is_refused(tmp_path: Path) -> None:
    """Two processes of a queue share no memory, so a version that needs it is not judged."""
    found = _in_child(tmp_path, "seen = []\n" + ACCEPT + "        seen.append(key)\n" + RIGHT)
    assert found.outcome is Outcome.UNUSABLE
    assert "value seen in memory" in found.text


def test_what_the_code_prints_is_shown_with_its_trace(tmp_path: Path) -> None:
    """Only the lines of the run that is shown, and nothing on the output of the command."""
    body = "        print('the key', key)\n" + RIGHT.replace("add_job(key=key", "add_job(key=None")
    found = _in_child(tmp_path, ACCEPT + body)
    assert found.outcome is Outcome.BROKEN
    assert found.text.endswith(" your code printed:\n   the key k1\n   the key k1")
    assert found.page is None or "your version" in found.page


def test_a_version_that_does_no_work_is_not_proved(tmp_path: Path) -> None:
    """A queue that accepts nothing breaks no invariant; the happy path shows it."""
    found = _in_child(tmp_path, ACCEPT + "        return None\n")
    assert (found.outcome, found.breaks) == (Outcome.BROKEN, None)
    assert "does no work" in found.text


def test_too_little_time_is_undecided(tmp_path: Path) -> None:
    """A check that was stopped says so, and is no proof."""
    found = _in_child(tmp_path, ACCEPT + RIGHT, 0.01)
    assert found.outcome is Outcome.UNDECIDED

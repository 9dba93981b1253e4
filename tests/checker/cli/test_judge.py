"""The command `judge`: what it says of a wrong queue, what it keeps, and what it refuses in one line."""

import re
import shutil
from pathlib import Path

import pytest

from failure_modes.checker.campaigns import judging
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.oracle.deliveries import HUNTS
from failure_modes.checker.search.queue_bursts import deck_of
from failure_modes.checker.search.queue_search import learn
from failure_modes.checker.subject.adapter import Claim, Topic
from failure_modes.checker.traces.queue_trace import load_trace
from tests.checker.commands import ROOT, invoke, results_of
from tests.subjects import tables

FAULTY, RIGHT = "tests.subjects.tables:FAULTY", "tests.subjects.tables:RIGHT"
DENIED = (Claim(topic=Topic.MULTI_PROCESS, promised=False, sentence="One process only.", where="README"),)


def test_a_broken_claim_is_found_confirmed_and_said() -> None:
    """The exit code says so, and the moves stand there in words."""
    result = invoke("judge", FAULTY, "--runs", "300", "--only", "again")
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert "again (multi_process): breaks its own claim; confirmed with real processes" in result.stdout
    assert "2. Worker A stops before UPDATE job#1." in result.stdout
    assert "100 replays the same" in result.stdout


def test_a_judgement_that_never_met_the_danger_says_so() -> None:
    """One run shows little, and the warning says what is missing; after many runs there is no warning."""
    result = invoke("judge", RIGHT, "--runs", "1", "--only", "lost")
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert "never reached: a tick while a worker is paused; so a hunt" in result.stderr
    assert "runs do not meet each of them" in result.stdout
    many = invoke("judge", RIGHT, "--runs", "60", "--only", "lost")
    assert many.exit_code == EXIT.AS_EXPECTED
    assert "never reached" not in many.stderr


@pytest.mark.parametrize(
    ("claims", "code", "verdict"),
    [
        ((), EXIT.NOT_AS_EXPECTED, "not stated"),
        (DENIED, EXIT.AS_EXPECTED, "documented limit"),
    ],
)
def test_trouble_passes_only_if_it_is_a_documented_limit(
    monkeypatch: pytest.MonkeyPatch, claims: tuple[Claim, ...], code: EXIT, verdict: str
) -> None:
    """Trouble of which the author wrote nothing is no success of a test in CI."""
    monkeypatch.setattr(type(tables.FAULTY), "claims", claims)
    result = invoke("judge", FAULTY, "--runs", "100", "--only", "at once")
    assert f"at once (multi_process): {verdict}; confirmed with real processes" in result.stdout
    assert result.exit_code == code


def test_trouble_that_real_processes_do_not_confirm_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither a success nor a failure."""
    monkeypatch.setattr(judging, "confirm", lambda *_: None)
    result = invoke("judge", FAULTY, "--runs", "100", "--only", "at once")
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert "not confirmed with real processes, and so not published: at once (multi_process)" in result.stderr


def test_the_runs_follow_from_the_deck() -> None:
    """Without a number there are enough runs for each card, and a thousand at least."""
    cards = judging.cards_of(tables.FAULTY, learn(tables.FAULTY))
    assert cards == len(deck_of(learn(tables.FAULTY), HUNTS))
    result = invoke("judge", RIGHT, "--only", "lost", "--seconds", "0.01")
    assert "the deck has" not in result.stdout


def test_what_is_kept_can_be_read_again(tmp_path: Path) -> None:
    """The traces stand beside the adapter, with the version and how they were confirmed."""
    adapter = tmp_path / "adapter.py"
    shutil.copy(ROOT / "tests" / "subjects" / "tables.py", adapter)
    result = invoke("judge", f"{adapter}:FAULTY", "--runs", "300", "--only", "again", "--keep", "--json")
    assert results_of(result)[0]["confirmed"] is True
    kept = load_trace(tmp_path / "traces" / "default_again_multi_process.json")
    assert (kept.adapter, kept.version) == (f"{adapter}:FAULTY", None)
    assert kept.confirmed is not None
    assert len(kept.moves) == 3
    assert (tmp_path / "judged.json").exists()


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("nonsense", "'nonsense' names no adapter; write MODULE:NAME or PATH.py:NAME"),
        ("no.such.module:X", "there is no module no.such.module"),
        ("tests.subjects.tables:X", "tests.subjects.tables has no X"),
        ("nowhere.py:X", "nowhere.py: there is no such file"),
    ],
)
def test_what_is_no_adapter_is_refused(adapter: str, message: str) -> None:
    """One line says what is wrong."""
    result = invoke("judge", adapter)
    assert (result.exit_code, result.stderr) == (EXIT.REFUSED, f"error: {message}\n")


def test_a_missing_library_is_asked_for_in_one_line(tmp_path: Path) -> None:
    """The line has the command that installs it."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text("import no_such_library\n")
    result = invoke("judge", f"{adapter}:X")
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert result.stderr.count("\n") == 1
    assert (
        "needs no_such_library, which is not installed: pip install 'reliability-habits[judge]'"
        in result.stderr
    )


def test_processes_that_share_the_seeds_change_nothing() -> None:
    """Two processes find by the same runs what one finds, and the text is the same but for the seconds."""
    options = ("judge", FAULTY, "--runs", "60", "--seeds", "3", "--only", "again")
    one, two = [invoke(*options, "--processes", number).stdout for number in ("1", "2")]
    assert re.sub(r"[\d.]+ s\b", "", one) == re.sub(r"[\d.]+ s\b", "", two)
    assert "2 of 3 seeds, 121 runs" in one

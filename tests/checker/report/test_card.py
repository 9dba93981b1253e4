"""The report card: what was confirmed stands in it, beside what the documents say; nothing else does."""

from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.judging import HuntResult, trace_of_hunt
from failure_modes.checker.experiment.moves import Work
from failure_modes.checker.oracle.deliveries import Hunt, Kind, Trouble
from failure_modes.checker.report import card
from failure_modes.checker.report.hunted import NotKept
from failure_modes.checker.subject.adapter import Claim, Topic, source_of
from failure_modes.checker.support.atomic_files import write_lines
from failure_modes.checker.traces.queue_trace import QueueTraceError, keep_trace, load_trace
from model.actions import Enqueue
from tests.subjects.tables import FAULTY, RightTable

SOURCE = source_of("tests.subjects.tables:FAULTY")
HUNT = Hunt(kind=Kind.AGAIN, topic=Topic.MULTI_PROCESS)
QUIET = HuntResult(hunt=Hunt(kind=Kind.STUCK), runs=50, seconds=1.0, seeds=3)
FOUND = HuntResult(
    hunt=HUNT,
    runs=1_234,
    seconds=2.5,
    seeds=3,
    found_after=(12, 1_034, 188),
    trouble=Trouble(kind=Kind.AGAIN, topic=Topic.MULTI_PROCESS, key="job-1", text="A runs job-1 again"),
    moves=(Enqueue(key="job-1"), Work(worker="A")),
    claim=Claim(topic=Topic.MULTI_PROCESS, promised=True, sentence="Safe.", where="README"),
    upstream="https://example.org/issues/1",
    replays_same=100,
    confirmed=True,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of one judged queue."""
    monkeypatch.setattr(card, "JUDGED", tmp_path)
    (tmp_path / "some_queue").mkdir()
    return tmp_path / "some_queue"


def _keep(folder: Path, *results: HuntResult) -> None:
    for result in results:
        if result.confirmed:
            keep_trace(trace_of_hunt(SOURCE, result), folder / "traces")
    card.keep_numbers(folder, FAULTY, {one.hunt.text: card.numbers_of(one) for one in results})


def test_a_finding_stands_with_its_moves_its_sentence_and_its_numbers(folder: Path) -> None:
    """And a hunt that found nothing says how many runs it made."""
    _keep(folder, FOUND, QUIET)
    text = card.report_card()
    for line in (
        "| some-queue, default | again | breaks its own claim | 3 of 3 | 2 | 100 of 100 |",
        "## some-queue: default",
        "### again: breaks its own claim",
        'The documents: "Safe." (README)',
        "2. Worker A works until it finds no job.",
        "Others have met it: https://example.org/issues/1",
        "Found by 3 of 3 seeds, by run 12, 1,034 and 188 (2.5 s); 100 of 100 replays are the same; "
        "confirmed with real processes.",
        "Nothing found: stuck (50 runs).",
    ):
        assert line in text.splitlines()


def test_what_real_processes_do_not_show_is_not_published(folder: Path) -> None:
    """It is no finding of the card, and a terminal says so."""
    _keep(folder, evolve(FOUND, confirmed=False))
    text = card.report_card()
    assert "### again" not in text
    assert "Nothing found: " not in text
    assert "Seen in the simulation alone, and so not published: again (multi_process)." in text.splitlines()
    assert "NOT confirmed" in "\n".join(card.lines_of(evolve(FOUND, confirmed=False)))


def test_a_whole_judgement_takes_the_place_of_the_last_one(folder: Path) -> None:
    """What it does not find again is no longer published; another configuration stays."""
    _keep(folder, FOUND)
    other = RightTable()
    other.configuration = "other"
    card.keep_numbers(folder, other, {QUIET.hunt.text: card.numbers_of(QUIET)})
    card.forget(folder, FAULTY)
    assert list((folder / "traces").iterdir()) == []
    _keep(folder, QUIET)
    text = card.report_card()
    assert "### again" not in text
    assert text.index("## some-queue: default") < text.index("## some-queue: other")


def test_a_trace_survives_its_file(tmp_path: Path) -> None:
    """A trace that was read is the trace that was kept."""
    trace = trace_of_hunt(SOURCE, FOUND)
    assert load_trace(keep_trace(trace, tmp_path)) == trace


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:50],
        lambda text: text.replace('"format": 1', '"format": 9'),
        lambda text: text.replace('"kind"', '"sort"'),
        lambda text: text.replace('"Work"', '"Play"'),
        lambda text: text.replace('"again"', '"nonsense"'),
    ],
)
def test_a_damaged_trace_is_refused(tmp_path: Path, damage: object) -> None:
    """The message names the file."""
    path = keep_trace(trace_of_hunt(SOURCE, FOUND), tmp_path)
    assert callable(damage)
    path.write_text(damage(path.read_text()))
    with pytest.raises(QueueTraceError, match=path.name):
        load_trace(path)


HUNTED = {
    "queue": "some_queue",
    "configuration": "default",
    "hunt": "again (multi_process)",
    "what": "A worker is late.",
    "command": "python -m failure_modes judge X --seeds 3",
    "explains": "https://example.org/issues/2",
}


def test_what_nobody_had_written_down_stands_with_its_trace_its_hunt_and_a_report(folder: Path) -> None:
    """Its numbers are those of the judgement, and the time is that of the longest hunt."""
    _keep(folder, FOUND, evolve(QUIET, seconds=150.0))
    assert "nobody had written down" not in card.report_card()
    write_lines(folder.parent / "hunted.json", {"A late worker": HUNTED})
    for line in (
        "## What nobody had written down",
        "**A late worker**",
        "A worker is late.",
        "- trace: `failure_modes/judged/some_queue/traces/default_again_multi_process.json`",
        "- hunted with `python -m failure_modes judge X --seeds 3`: 3 of 3 seeds, by run 12, 1,034 and 188; "
        "100 of 100 replays are the same; confirmed with real processes",
        "- what others report: https://example.org/issues/2",
        "The searches of this section took 2 minutes in all.",
    ):
        assert line in card.report_card().splitlines()


def test_what_is_no_longer_confirmed_cannot_stand_there(folder: Path) -> None:
    """The list names a finding of the card, or the card is not made."""
    _keep(folder, evolve(FOUND, confirmed=False))
    write_lines(folder.parent / "hunted.json", {"A late worker": HUNTED})
    with pytest.raises(NotKept, match=r"A late worker is no confirmed finding of some_queue"):
        card.report_card()

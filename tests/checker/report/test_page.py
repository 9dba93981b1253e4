"""The page of a trace: what stands in it, and that the same run gives the same bytes."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.report.pages.page import page_text, write_page
from failure_modes.checker.report.pages.story import Side, kind_of, side_of
from failure_modes.checker.report.statements import literal, statement_of
from failure_modes.checker.simulation.stepping import StatementResult
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import Replayed, replay
from model.state import Status

TRACES = {path.stem: trace for path, trace in all_kept()}


@cache
def both(name: str) -> tuple[Replayed, Replayed]:
    """A kept trace on the broken system and on the guarded one."""
    return replay(TRACES[name]), replay(TRACES[name], guarded=True)


def side(name: str, *, guarded: bool = False, to_end: bool = False) -> Side:
    """The picture of a kept trace."""
    return side_of(both(name)[guarded], label="it", key="a", to_end=to_end)


def test_two_replays_of_a_trace_give_the_same_bytes() -> None:
    """Nothing in a page depends on when it is made, or on what was made before."""
    trace = TRACES["reply_is_lost"]
    texts = {page_text((replay(trace), replay(trace, guarded=True))) for _ in range(2)}
    assert len(texts) == 1


class _Addresses(HTMLParser):
    """Notes each value from which a browser could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {value}" for name, value in attrs if name in ("src", "href", "action", "data")]


def test_a_page_loads_nothing() -> None:
    """It has no address but those of its own pictures; and its head forbids each request."""
    text = page_text(both("reply_is_lost"), home="index.html")
    addresses = _Addresses()
    addresses.feed(text)
    pictures = set(addresses.found) - {"a index.html"}
    assert pictures
    assert all(found.startswith("use #i-") for found in pictures)
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text)


def test_the_text_of_a_trace_is_escaped() -> None:
    """A trace from elsewhere cannot put a script into the page of a reader."""
    trace = evolve(TRACES["reply_is_lost"], why="<script>alert(1)</script>")
    text = page_text((replay(trace),), title="<b>bold</b>")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<b>bold" not in text


def test_the_bad_steps_are_marked() -> None:
    """The first divergence and the violation are at the steps that the text of the trace marks."""
    shown = side("both_commit_after_the_lease_ran_out")
    assert [(row.label, row.state) for row in shown.rows if row.state] == [("7", "diverged"), ("8", "broken")]
    assert [row.agrees for row in shown.rows[6:]] == ["differs", "left"]
    held = side("both_commit_after_the_lease_ran_out", guarded=True)
    assert [row.state for row in held.rows if row.state] == []
    assert (shown.verdict, held.verdict) == ("broken", "held")


def test_a_lease_is_a_bar_that_runs_out() -> None:
    """A's lease is whole at first, is nothing once 30 s have passed, and ends when B takes the job."""
    bars = [bar for bar in side("both_commit_after_the_lease_ran_out").bars if bar.execution == 1]
    halves = [(bar.kind, bar.left, bar.first, bar.last) for bar in bars]
    # Step 2 leases: its lower half is number 3. Step 4 is the tick: 7. Step 5 aborts it: 8 is the last.
    assert halves == [("held", 1.0, 3, 6), ("expired", 0.0, 7, 8), ("committed", 0.0, 15, 15)]


def test_crashes_lost_replies_charges_and_refusals_are_marked() -> None:
    """Each has a picture of its own, in the lane of its process."""
    shown = side("dies_before_it_learns")
    assert [kind_of(row) for row in shown.rows if kind_of(row) != "dot"] == ["crash", "tick"]
    marks = [(row.label, mark.kind) for row in shown.rows for mark in row.marks]
    assert marks == [("4", "charge"), ("5", "lost"), ("9", "charge")]
    assert "dead" in {line.kind for line in shown.lines if shown.lanes[line.lane] == "A"}
    refused = side("both_commit_after_the_lease_ran_out", guarded=True)
    assert kind_of(refused.rows[-1]) == "refused"


def test_a_step_has_its_statements_its_rows_and_its_audit() -> None:
    """The last step of the first trace commits a second effect: all of that stands in its detail."""
    detail = side("both_commit_after_the_lease_ran_out").rows[-1].detail
    assert [statement.text.split(" (")[0] for statement in detail.statements if statement.writes] == [
        "INSERT INTO effects",
        "UPDATE executions SET status = 'COMMITTED', lease_expires_at = 30000 WHERE id = 1",
        "INSERT INTO audit",
    ]
    tables = {table.name: table for table in detail.tables}
    execution = tables["executions"].rows[0]
    at = tables["executions"].columns.index("status")
    assert (execution.cells[at].before, execution.cells[at].text) == ("ABORTED", "COMMITTED")
    effects = {row.name: row.state for row in tables["effects"].rows}
    assert effects == {"by exec-1": "new", "by exec-2": ""}
    assert detail.audit[0].cells[:2] == ("commit", "committed")
    assert not detail.with_model


def test_the_first_divergence_shows_the_value_of_the_model() -> None:
    """The cell that differs has the model's value beside it."""
    detail = side("both_commit_after_the_lease_ran_out").rows[6].detail
    (jobs,) = [table for table in detail.tables if table.name == "jobs"]
    cell = jobs.rows[0].cells[jobs.columns.index("available")]
    assert (cell.text, cell.model) == ("60 s", "—")
    assert detail.messages == ("job-1.available_at is None in the model, 60 s in the system",)


def test_a_break_in_the_recovery_shows_the_recovery_of_both_systems() -> None:
    """The steps of the recovery follow those of the trace on both sides, so that they can be compared."""
    text = page_text(both("aborted_what_was_committed"))
    assert text.count("recovering") >= 4
    assert side("aborted_what_was_committed", to_end=True).rows[-1].state == "broken"


def test_parameters_stand_in_their_places() -> None:
    """A statement is read with the values it had; one that does not fit has its values after it."""
    ran = StatementResult(
        sql="UPDATE jobs\n  SET key = ?, state = ? WHERE id = ?",
        parameters=("it's", Status.DONE, None),
        columns=("id",),
        rows=tuple([(number,) for number in range(6)]),
    )
    shown = statement_of(ran)
    assert shown.text == "UPDATE jobs SET key = 'it''s', state = 'DONE' WHERE id = NULL"
    assert (shown.writes, shown.result) == (True, "(0), (1), (2), (3) and 2 more")
    assert statement_of(StatementResult(sql="SELECT 1", parameters=(7,))).text == "SELECT 1 (7)"
    assert [literal(value) for value in (True, b"\x01\x02\x03\x04\x05", 7)] == ["TRUE", "x'01020304…'", "7"]


@pytest.mark.parametrize(
    "name", sorted(name for name, trace in TRACES.items() if trace.scope.store == "sqlite")
)
def test_every_kept_trace_has_a_page(name: str, tmp_path: Path) -> None:
    """Whatever happens in it: a loss of power, a gateway, steps of single statements."""
    path = tmp_path / "folder" / f"{name}.html"
    write_page(path, both(name), command="replay it")
    text = path.read_text("utf-8")
    assert text.count('class="detail"') == text.count('class="hit')
    assert text.count("<b>") == text.count("</b>")

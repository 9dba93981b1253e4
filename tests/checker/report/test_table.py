"""The text of a run on a terminal: it fits the width, breaks no word, and has colours only on a terminal."""

import os
import pty
import re
import subprocess
import sys
from functools import cache

import pytest

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.table import PLAIN, Line, Look, table_text
from failure_modes.checker.search.statistics import SearchStatistics
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import Replayed, replay
from tests.checker.commands import ROOT, invoke

ALL = all_kept()
TRACE = str(ALL[0][0])


@cache
def replays() -> tuple[Replayed, ...]:
    """Every kept trace on SQLite, on both systems."""
    traces = [trace for _, trace in ALL if trace.scope.store is StoreKind.SQLITE]
    return tuple([replay(trace, guarded=guarded) for trace in traces for guarded in (False, True)])


def words(text: str) -> list[str]:
    """The words of a text, in a fixed order."""
    return sorted(text.split())


@pytest.mark.parametrize("sql", [False, True])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_run_fits_the_width(width: int, *, sql: bool) -> None:
    """No line is wider, unless a single word is."""
    for replayed in replays():
        text = rendered(replayed, look=Look(width=width), sql=sql)
        too_wide = [line for line in text.splitlines() if len(line) > width and len(line.split()) > 1]
        assert too_wide == []


def test_no_word_is_broken_and_none_is_lost() -> None:
    """A narrow table has the words of the wide one, where it has the same columns."""
    for replayed in replays():
        wide = rendered(replayed, look=PLAIN)
        assert words(rendered(replayed, look=Look(width=100))) == words(wide)
        narrow = set(words(rendered(replayed, look=Look(width=60))))
        assert narrow - {"same"} <= set(words(wide))


def test_the_widest_column_gives_way() -> None:
    """The other columns keep their width as long as they can."""
    rows = [Line(cells=("a", "bb", "some words that are long")), Line(cells=("x", "yy", "z"))]
    text = table_text(rows, Look(width=20), right=frozenset(), joined=0)
    assert text.splitlines() == ["a  bb  some words", "       that are long", "x  yy  z"]
    assert "some words that are long" in table_text(rows, PLAIN, right=frozenset(), joined=0)
    impossible = table_text(
        [Line(cells=("unbreakable", "words"))], Look(width=5), right=frozenset(), joined=0
    )
    assert impossible == "unbreakable  words"


def test_the_violation_and_the_divergence_have_colours_of_their_own() -> None:
    """So have a crash and a run that holds; without colours the text is the same."""
    replayed = next(one for one in replays() if one.finding and one.run.judge.diverged)
    colored = rendered(replayed, look=Look(color=True))
    assert re.sub(r"\x1b\[\d+m", "", colored) == rendered(replayed, look=PLAIN)
    marked = {line.lstrip("\x1b[0123456789m")[0]: line for line in colored.splitlines() if "\x1b" in line}
    assert marked[">"].startswith("\x1b[31m")
    assert marked["~"].startswith("\x1b[35m")


def test_the_statements_of_each_step_stand_below_it() -> None:
    """With `--sql` the line of a step is followed by what ran in it, and by its result."""
    lines = invoke("replay", TRACE, "--sql").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "lease exec-1" in line)
    below = lines[at + 1 : at + 8]
    assert below[0].split() == ["BEGIN", "IMMEDIATE"]
    assert any("INSERT INTO executions" in line for line in below)
    assert lines[-1].endswith(" --sql")
    assert len(invoke("replay", TRACE).stdout.splitlines()) < len(lines)


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    cleared = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "failure_modes", *arguments],
        cwd=ROOT,
        env=cleared | {"TERM": "xterm", "PYTHONUTF8": "1"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    found = b""
    try:
        while part := os.read(ours, 65536):
            found += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_lines_that_fit() -> None:
    """As wide as the terminal says; and without colours if the user wants none."""
    colored = on_a_terminal("replay", TRACE, COLUMNS="80")
    plain = re.sub(r"\x1b\[\d+m", "", colored)
    assert plain != colored
    assert max(len(line) for line in plain.splitlines() if not line.startswith(" replay: ")) <= 80
    assert on_a_terminal("replay", TRACE, COLUMNS="80", NO_COLOR="1") == plain


def test_a_file_gets_colours_only_if_they_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR is for what shows them later; NO_COLOR wins."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    command = [sys.executable, "-m", "failure_modes", "replay", TRACE]
    forced = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"FORCE_COLOR": "1"}, capture_output=True, check=True
    )
    assert b"\x1b[31m" in forced.stdout
    assert "\x1b" not in invoke("replay", TRACE).stdout


def test_several_traces_have_a_line_each_and_a_summary() -> None:
    """What is as expected needs no more."""
    paths = [str(path) for path, trace in ALL if trace.failure_mode == "FM_001"]
    lines = invoke("replay", *paths).stdout.splitlines()
    assert len(lines) == len(paths) + 1
    assert lines[-1] == f"{len(paths)} traces on the broken systems: {len(paths)} as expected"


def test_the_progress_says_how_far_the_shrinking_is(capsys: pytest.CaptureFixture[str]) -> None:
    """It has the length of the shortest trace so far."""
    from failure_modes.checker.experiment.findings import Finding, Violation
    from failure_modes.checker.report import progress

    statistics = SearchStatistics()
    statistics.seconds_to_first = 1.0
    finding = Finding(invariant="INV_001", step=2, expected="", got="")
    statistics.shortest = Violation(finding, ALL[0][1].actions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "PLAIN_EVERY_SECONDS", 0.0)
        with progress.shown("label", 10) as report:
            report(statistics)
    assert "found a break, shrinking: 8 steps so far" in capsys.readouterr().err

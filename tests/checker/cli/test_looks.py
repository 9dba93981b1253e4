"""What a command prints on a terminal fits its width, and has the colours that `--color` asks for."""

import os

import pytest
from click.testing import CliRunner

from failure_modes.checker.campaigns.matrix import PolicyGroup, Row
from failure_modes.checker.cli import matrix as cli_matrix
from failure_modes.checker.cli import power as cli_power
from failure_modes.checker.cli.main import COMMANDS, main
from failure_modes.checker.proof.proof import Counts
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.real.power import PowerReport
from failure_modes.checker.report import table
from failure_modes.checker.report.table import Line, Look, fitted, tables_text
from failure_modes.checker.traces.database import all_kept
from model.invariants import INVARIANTS
from tests.checker.commands import invoke, run

WIDTHS = (60, 80, 120)
TRACES = all_kept()


def _row(off: tuple[str, ...]) -> Row:
    holds = ProofResult(
        complete=True,
        bound=None,
        counts=Counts(),
        depth=0,
        seconds=0.0,
        peak_memory_mb=0.0,
        finding=None,
        actions=(),
    )
    count = len(INVARIANTS)
    return Row(off=off, results=(holds,) * count, tolerant_results=(None,) * count)


def _rows(group: PolicyGroup, *_: object) -> list[Row]:
    return [*[_row((name,)) for name in group.policies], _row(())]


@pytest.fixture
def at_width(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """The width of the terminal on which commands print."""
    width: int = request.param
    monkeypatch.setattr(table, "look_of", lambda _: Look(width=width))
    monkeypatch.setattr(cli_matrix, "matrix", _rows)
    counted = PowerReport(runs=1_000, images=1_000_000, at_risk=1_000, checkpoints=1_000)
    monkeypatch.setattr(cli_power, "_look", lambda *_: counted)
    return width


@pytest.mark.parametrize("at_width", WIDTHS, indirect=True)
@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("traces",),
        ("traces", "FM_001"),
        ("matrix", "--processes", "1"),
        ("power", "--processes", "1"),
        ("replay", *[str(path) for path, _ in TRACES[:2]]),
    ],
    ids=lambda command: command[0],
)
def test_every_table_fits_the_width(command: tuple[str, ...], at_width: int) -> None:
    """No line is wider, but those with a command, which stay whole; and no word is broken."""
    lines = invoke(*command).stdout.splitlines()
    assert len(lines) > 2
    too_wide = [line for line in lines if len(line) > at_width and "python -m" not in line]
    assert too_wide == []
    if command[0] in ("list", "traces"):
        words = {word.removesuffix(".json") for line in lines for word in line.split()}
        names = [path.stem for path, trace in TRACES if trace.failure_mode in ("FM_001", command[-1])]
        assert set(names) <= words


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_commands_fits_the_width(width: int) -> None:
    """So do the examples above it."""
    lines = run("--help", COLUMNS=str(width)).stdout.splitlines()
    assert max(len(line) for line in lines) <= width


def test_a_table_that_cannot_be_so_narrow_is_cut_into_several() -> None:
    """Each begins with the first column; together they have every cell."""
    head = ("row", *[f"column-{number}" for number in range(5)])
    rows = [Line(cells=head), Line(cells=("x", *["12345"] * 5))]
    text = tables_text(rows, Look(width=30), right=frozenset([2]))
    assert text.splitlines() == [
        "row  column-0  column-1",
        "x    12345        12345",
        "",
        "row  column-2  column-3",
        "x    12345     12345",
        "",
        "row  column-4",
        "x    12345",
    ]
    assert len(tables_text(rows, Look(width=80)).splitlines()) == 2
    assert max(len(line) for line in tables_text(rows, Look(width=5)).splitlines()) == len("row  column-0")


def test_a_command_and_a_line_in_colour_are_left_whole() -> None:
    """A command can be copied; a line in colour has its final width already. Other lines are paragraphs."""
    look = Look(width=20)
    command = " replay: python -m failure_modes replay TRACE"
    colored = "\x1b[31mthis line is red and long\x1b[0m"
    text = fitted(f"{command}\n{colored}\n  a line that is too wide", look)
    assert text == f"{command}\n{colored}\n  a line that is too\n    wide"


def _printed(*arguments: str, **environment: str) -> str:
    """What a command prints where there is no terminal."""
    names = {"NO_COLOR": None, "FORCE_COLOR": None, **environment}
    result = CliRunner(env=names).invoke(main, arguments)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_option_says_when_there_are_colours(place: str) -> None:
    """`always` gives them to a pipe, `never` takes them away, and `auto` is as without the option."""
    command = ("replay", str(TRACES[0][0]))

    def with_color(choice: str, **environment: str) -> bool:
        option = ("--color", choice)
        words = (*option, *command) if place == "before" else (*command, *option)
        return "\x1b" in _printed(*words, **environment)

    before = dict(os.environ)
    assert with_color("always")
    assert with_color("always", NO_COLOR="1")
    assert not with_color("never")
    assert not with_color("never", FORCE_COLOR="1")
    assert not with_color("auto")
    assert with_color("auto", FORCE_COLOR="1")
    assert not with_color("auto", FORCE_COLOR="1", NO_COLOR="1")
    assert dict(os.environ) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_the_option(command: str) -> None:
    """So it may stand before the command, or after it."""
    assert "--color [auto|always|never]" in _printed(command, "--help")

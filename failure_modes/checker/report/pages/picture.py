"""A trace as one SVG picture for a document: the same runs, bars and marks as on its page, without a script.

The picture has its own background, and colours for a light and for a dark reader. The same replays give the
same bytes. It loads nothing.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from failure_modes.checker.report.pages.bars import Bar
from failure_modes.checker.report.pages.story import Row, Side, kind_of, side_of
from failure_modes.checker.report.pages.templating import filled_alone
from failure_modes.checker.traces.replay import Replayed, replay
from failure_modes.checker.traces.trace_reader import load

_MARKED = re.compile(r"<!-- picture of: (\S+) -->\n!\[([^\]]*)\]\((\S+\.svg)\)")

_PANEL = 434
_GAP = 12
_TOP = 66
"""Where the first row begins."""
_LEGEND = 30
_LANE_FIRST = 94
_LANE_WIDE = 44
"""The lane of the producer, whose name is the longest, and the next one."""
_LANE = 28
_ROW, _ROW_WITH_PILLS = 28, 48
_LETTER = 6.3
"""About how wide a letter of a pill is."""

_STATES = {"broken": "violation", "diverged": "diverges", "tolerated": "tolerated"}


@frozen(kw_only=True)
class Pill:
    """A word with a background, below the text of its step."""

    kind: str
    text: str
    x: float
    width: float


@frozen(kw_only=True)
class PlacedRow:
    """A step, where it begins, how high it is, and the line on which its text stands."""

    row: Row
    y: int
    height: int
    pills: tuple[Pill, ...]

    @property
    def base(self) -> int:
        """The line of the text."""
        return self.y + 18


@frozen(kw_only=True)
class Panel:
    """One run, and where its parts are."""

    side: Side
    x: int
    rows: tuple[PlacedRow, ...]
    width: int = _PANEL
    top: int = _TOP

    @property
    def height(self) -> int:
        """Where the card ends."""
        return self.rows[-1].y + self.rows[-1].height + 8

    @property
    def text_x(self) -> int:
        """Where the text of a step begins: behind the lanes."""
        return _text_x(self.side)

    def lane_x(self, lane: int) -> int:
        """The middle of a lane."""
        return _lane_x(lane)

    def half_y(self, half: int) -> float:
        """Where a half of a step begins; each step has two."""
        if half >= 2 * len(self.rows):
            return self.rows[-1].y + self.rows[-1].height
        placed = self.rows[half // 2]
        return placed.y + placed.height / 2 * (half % 2)

    def bar_width(self, bar: Bar) -> float:
        """A lease gets thinner as it runs out."""
        return round(2 + 5 * bar.left, 2) if bar.kind == "held" else 7


def pictures_of(document: Path) -> dict[Path, str]:
    """The pictures that a document shows, each with its text, by their paths.

    Above each stands a comment with the path of its trace: `<!-- picture of: TRACE -->`.
    """
    found = {}
    for trace_path, alternative, path in _MARKED.findall(document.read_text(encoding="utf-8")):
        trace = load(document.parent / trace_path)
        replays = [replay(trace), replay(trace, guarded=True)]
        title = " ".join(alternative.split())
        found[document.parent / path] = picture_text(replays, labels=("broken", "guarded"), title=title)
    return found


def picture_text(replays: Sequence[Replayed], *, labels: Sequence[str], title: str) -> str:
    """The SVG of one or two replays of the same actions, beside one another. Raises NotInstalled."""
    panels = tuple(
        [
            _panel(side_of(replayed, label=label, key=key, to_end=False), number)
            for number, (replayed, label, key) in enumerate(zip(replays, labels, "ab", strict=False))
        ]
    )
    return filled_alone(
        "picture.svg.jinja",
        title=title,
        panels=panels,
        width=len(panels) * (_PANEL + _GAP) + _GAP,
        height=max([panel.height for panel in panels]) + _GAP + _LEGEND,
        gap=_GAP,
        kind_of=kind_of,
    )


def _panel(side: Side, number: int) -> Panel:
    rows, y = list[PlacedRow](), _TOP
    for row in side.rows:
        pills = _pills(row, _text_x(side))
        height = _ROW_WITH_PILLS if pills else _ROW
        rows.append(PlacedRow(row=row, y=y, height=height, pills=pills))
        y += height
    return Panel(side=side, x=_GAP + number * (_PANEL + _GAP), rows=tuple(rows))


def _pills(row: Row, x: float) -> tuple[Pill, ...]:
    texts = [(mark.kind, mark.text) for mark in row.marks]
    texts += [(row.state, _STATES[row.state])] if row.state else []
    found = []
    for kind, text in texts:
        width = round(len(text) * _LETTER + 18, 1)
        found.append(Pill(kind=kind, text=text, x=round(x, 1), width=width))
        x += width + 6
    return tuple(found)


def _lane_x(lane: int) -> int:
    return _LANE_FIRST + (0 if lane == 0 else _LANE_WIDE + (lane - 1) * _LANE)


def _text_x(side: Side) -> int:
    return _lane_x(len(side.lanes) - 1) + 18

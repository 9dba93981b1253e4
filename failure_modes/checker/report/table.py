"""Tables and paragraphs of text that fit a width: the widest column gives way, and no word is broken.

Without a width each column is as wide as its widest cell. A table that cannot be so narrow without breaking a
word is cut into several, one below the other. A single word that is wider than the terminal stays whole.
"""

import os
import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from typing import TextIO

from attrs import evolve, frozen

Style = Callable[[str], str]
"""Colours a text that has its final width."""

GAP = 2
"""Spaces between two columns."""

_TYPED = re.compile(r"\b(?:python -m|nox -s) ")
"""What a command begins with. Its line stays whole, so that it can be copied."""


@frozen(kw_only=True)
class Look:
    """How text is printed. `width` is None where no terminal limits it."""

    width: int | None = None
    color: bool = False


PLAIN = Look()
"""The look of files and of tests: no colour, and no limit."""


def look_of(stream: TextIO) -> Look:
    """The look of what is printed there: on a terminal in colours, and as wide as the terminal.

    NO_COLOR takes the colours away, and FORCE_COLOR gives them to a file, too.
    """
    terminal = stream.isatty()
    color = bool(os.environ.get("FORCE_COLOR")) or (terminal and os.environ.get("TERM") != "dumb")
    width = shutil.get_terminal_size().columns if terminal else None
    return Look(width=width, color=color and not os.environ.get("NO_COLOR"))


@frozen(kw_only=True)
class Line:
    """A line of a table, and the lines of text that stand below it, each with its indent."""

    cells: tuple[str, ...]
    style: str = ""
    below: tuple[str, ...] = ()


STYLES = {
    "broken": {"fg": "red", "bold": True},
    "diverged": {"fg": "magenta", "bold": True},
    "held": {"fg": "green"},
    "danger": {"fg": "yellow"},
    "head": {"dim": True},
    "below": {"fg": "cyan"},
    "warning": {"fg": "yellow"},
}
"""The styles by their names."""


def styled(text: str, style: str, look: Look) -> str:
    """The text in that style, if the look has colours."""
    if not look.color or not style or not text:
        return text
    import click

    return click.style(text, **STYLES[style])  # type: ignore[arg-type]  # the values belong to their keys


def table_text(
    lines: Sequence[Line], look: Look, *, right: frozenset[int] = frozenset(), joined: int = 0
) -> str:
    """The table as text.

    `right`: the columns that are aligned to the right. The columns up to `joined` have no space between them.
    """
    widths = _widths([line.cells for line in lines], look.width, joined)
    found: list[str] = []
    for line in lines:
        wrapped = _wrapped(line.cells, widths, right, joined)
        found += [styled(text, line.style, look) for text in wrapped]
        found += [styled(text, "below", look) for text in _below(line.below, look)]
    return "\n".join(found)


def tables_text(lines: Sequence[Line], look: Look, *, right: frozenset[int] = frozenset()) -> str:
    """The table as text, or several tables if it is too wide. Each of them begins with the first column."""
    rows = [line.cells for line in lines]
    found = []
    for columns in _columns_that_fit(rows, look.width):
        part = [evolve(line, cells=tuple([line.cells[at] for at in columns])) for line in lines]
        to_right = frozenset([place for place, at in enumerate(columns) if at in right])
        found.append(table_text(part, look, right=to_right))
    return "\n\n".join(found)


def fitted(text: str, look: Look) -> str:
    """The text, with each line that is too wide as a paragraph. A line in colour, or a command, is left."""
    if look.width is None:
        return text
    lines = []
    for line in text.split("\n"):
        lead = line[: len(line) - len(line.lstrip())]
        left = "\x1b" in line or _TYPED.search(line)
        lines.append(line if left else paragraph(line, look, indent=f"{lead}  "))
    return "\n".join(lines)


def paragraph(text: str, look: Look, *, indent: str = "   ") -> str:
    """The text in lines that fit; those after the first begin with the indent."""
    if look.width is None or len(text) <= look.width:
        return text
    return "\n".join(_lines(text, look.width, indent))


def _below(texts: tuple[str, ...], look: Look) -> list[str]:
    return [line for text in texts for line in paragraph(text, look, indent=" " * 12).splitlines()]


def _columns_that_fit(rows: list[tuple[str, ...]], width: int | None) -> list[list[int]]:
    """The columns of each table: all of them in one, if that fits. The first column is in each."""
    count = len(rows[0])
    if width is None or sum(_least(rows)) + GAP * (count - 1) <= width:
        return [list(range(count))]
    least, tables = _least(rows), [[0]]
    for at in range(1, count):
        wanted = [*tables[-1], at]
        if len(wanted) > 2 and sum(least[one] for one in wanted) + GAP * (len(wanted) - 1) > width:
            wanted = [0, at]
            tables.append([])
        tables[-1] = wanted
    return tables


def _least(rows: list[tuple[str, ...]]) -> list[int]:
    """The width of the longest word of each column."""
    columns = zip(*rows, strict=True)
    return [max([len(word) for cell in column for word in cell.split() or [""]]) for column in columns]


def _widths(rows: list[tuple[str, ...]], width: int | None, joined: int) -> list[int]:
    """The width of each column: natural, or narrower where the table would not fit."""
    columns = list(zip(*rows, strict=True))
    widths = [max([len(cell) for cell in column]) for column in columns]
    if width is None:
        return widths
    least = _least(rows)
    gaps = GAP * (len(widths) - 1 - joined)
    while sum(widths) + gaps > width:
        can_give = [at for at in range(len(widths)) if widths[at] > least[at]]
        if not can_give:
            break
        widest = max(can_give, key=lambda at: (widths[at], at))
        widths[widest] -= 1
    return widths


def _wrapped(cells: tuple[str, ...], widths: list[int], right: frozenset[int], joined: int) -> list[str]:
    parts = [_lines(cell, max(width, 1), "") or [""] for cell, width in zip(cells, widths, strict=True)]
    found = []
    for number in range(max([len(part) for part in parts])):
        row = [part[number] if number < len(part) else "" for part in parts]
        padded = [
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        head = "".join(padded[: joined + 1])
        found.append((" " * GAP).join([head, *padded[joined + 1 :]]).rstrip())
    return found


def _lines(text: str, width: int, indent: str) -> list[str]:
    if len(text) <= width:
        return [text]
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.strip(),
        width,
        initial_indent=lead,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

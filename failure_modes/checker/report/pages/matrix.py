"""The page of the matrix: which invariants break without each policy, and by how short a trace."""

import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from failure_modes.checker.report.pages.templating import filled
from failure_modes.checker.support.atomic_files import write_atomically
from model.invariants import INVARIANTS


@frozen(kw_only=True)
class MatrixRow:
    """The policies that are switched off, and for each invariant what the table prints: `8`, `(7)`, `-`."""

    off: str
    cells: tuple[str, ...]


@frozen(kw_only=True)
class MatrixGroup:
    """The rows that are judged in one scope."""

    scope: str
    rows: tuple[MatrixRow, ...]


def write_matrix(path: Path, groups: Sequence[MatrixGroup]) -> None:
    """Write the page of a matrix. Raises OSError, NotInstalled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, matrix_text(groups))


def matrix_text(groups: Sequence[MatrixGroup]) -> str:
    """The HTML of such a page."""
    lengths = [length_of(cell) for group in groups for row in group.rows for cell in row.cells]
    return filled(
        "matrix.html.jinja",
        script="nothing.js",
        groups=groups,
        invariants=INVARIANTS,
        deepest=max([length for length in lengths if length is not None], default=1),
        length_of=length_of,
    )


def length_of(cell: str) -> int | None:
    """The length of the shortest trace in a cell; None if nothing breaks."""
    found = re.search(r"\d+", cell)
    return int(found.group()) if found else None

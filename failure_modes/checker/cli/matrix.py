"""The command `matrix`: it computes which invariants break without each policy."""

from pathlib import Path
from typing import Any

import click

from failure_modes.checker.campaigns.matrix import GROUPS, PolicyGroup, Row, is_new, matrix
from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import Verdict, interrupted, output, show
from failure_modes.checker.cli.sharing import PROCESSES, pool_of
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.pages.matrix import MatrixGroup, MatrixRow, write_matrix
from failure_modes.checker.report.progress import ProgressLines
from model.invariants import INVARIANTS


@command("matrix")
@PROCESSES
@click.option(
    "--together",
    type=click.IntRange(1, 6),
    default=1,
    show_default=True,
    help="Also switch off sets of up to so many policies, for breaks that no policy shows alone.",
)
@click.option("--page", "file", type=click.Path(path_type=Path), help="Also write the table as a page, here.")
def matrix_(together: int, file: Path | None, **options: Any) -> EXIT:
    """Switch off each policy, and show which invariants break, and the length of the shortest trace.

    As expected if nothing breaks with all policies on.
    """
    lines = ProgressLines("matrix")
    try:
        with pool_of(options) as pool:
            parts = [(part, list(matrix(part, pool, lines.note, together))) for part in GROUPS]
    except KeyboardInterrupt:
        interrupted("no table is shown, because its rows are not complete")
    for part, rows in parts:
        _show(part, rows)
        for row in rows:
            _add(part, row, rows)
    if file is not None:
        write_matrix(file, [_group(part, rows) for part, rows in parts])
    show("N    the invariant breaks; its shortest trace has N steps")
    if together > 1:
        show("N !  the same, and no smaller set of these policies breaks it")
    show("-    the invariant breaks in no reachable state")
    show("(N)  the invariant breaks only after another one; its shortest trace has N steps")
    show("(-)  the invariant does not break before INV_003; INV_005 cannot be judged after INV_003 broke")
    guarded = [rows[-1].results[0] for _, rows in parts]
    holds = all(result.complete and result.finding is None for result in guarded)
    return EXIT.AS_EXPECTED if holds else EXIT.NOT_AS_EXPECTED


def _group(part: PolicyGroup, rows: list[Row]) -> MatrixGroup:
    """The rows as the page draws them."""
    drawn = []
    for row in rows:
        off, *cells = _cells(row, rows)
        drawn.append(MatrixRow(off=off, cells=tuple(cells)))
    return MatrixGroup(scope=part.description, rows=tuple(drawn))


def _show(part: PolicyGroup, rows: list[Row]) -> None:
    show(f"{part.description}\n")
    cells = [["switched off", *[invariant.id for invariant in INVARIANTS]]]
    cells += [_cells(row, rows) for row in rows]
    width = 2 + max([len(line[0]) for line in cells])
    for line in cells:
        show("".join([cell.ljust(width if at == 0 else 9) for at, cell in enumerate(line)]).rstrip())
    show("")


def _cells(row: Row, rows: list[Row]) -> list[str]:
    results = zip(row.results, row.tolerant_results, strict=True)
    cells = [_cell(*both) + " !" * is_new(row, at, rows) for at, both in enumerate(results)]
    return [", ".join(row.off) or "nothing", *cells]


def _cell(strict: ProofResult, tolerant: ProofResult | None) -> str:
    if strict.shortest is not None:
        return str(strict.shortest)
    if tolerant is not None and tolerant.shortest is not None:
        return f"({tolerant.shortest})"
    return "(-)" if tolerant is not None and tolerant.counts.off_target else "-"


def _add(part: PolicyGroup, row: Row, rows: list[Row]) -> None:
    results = zip(INVARIANTS, row.results, row.tolerant_results, strict=True)
    broken = any(result.finding is not None for result in row.results)
    output().add(
        Verdict.BROKEN if broken else Verdict.HELD,
        scope=part.description,
        off=row.off,
        invariants={
            invariant.id: {
                "shortest": strict.shortest,
                "complete": strict.complete,
                "states": strict.counts.states,
                "off_target": strict.counts.off_target,
                "shortest_after_others": tolerant.shortest if tolerant else None,
                "new": is_new(row, at, rows),
            }
            for at, (invariant, strict, tolerant) in enumerate(results)
        },
    )

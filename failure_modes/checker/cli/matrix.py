"""The command `matrix`: which policy is needed for what, computed."""

import click

from failure_modes.checker.campaigns.matrix import GROUPS, PolicyGroup, Row, is_new, matrix
from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import PROCESSES
from failure_modes.checker.cli.output import Verdict, interrupted, output, show
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.progress import ProgressLines
from model.invariants import INVARIANTS


@command("matrix")
@PROCESSES
@click.option(
    "--together",
    type=click.IntRange(1, 6),
    default=1,
    show_default=True,
    help="Also switch off sets of so many policies, to see what none of them shows alone.",
)
def matrix_(processes: int, together: int) -> EXIT:
    """Switch off each policy, and say which invariants break, and by how short a trace.

    As expected if nothing breaks with all policies on.
    """
    lines = ProgressLines("matrix")
    try:
        parts = [(part, list(matrix(part, processes, lines.note, together))) for part in GROUPS]
    except KeyboardInterrupt:
        interrupted("no table is shown, for its rows are not complete")
    for part, rows in parts:
        _show(part, rows)
        for row in rows:
            _add(part, row, rows)
    show("N    breaks, by a shortest trace of N steps")
    if together > 1:
        show("N !  and no smaller set of these policies breaks it")
    show("-    breaks in no reachable state")
    show("(N)  breaks only after another invariant did, by a shortest trace of N steps")
    show("(-)  breaks nowhere before INV_003 does; what follows cannot be judged by INV_005")
    whole = [rows[-1].answers[0] for _, rows in parts]
    holds = all(answer.complete and answer.finding is None for answer in whole)
    return EXIT.AS_EXPECTED if holds else EXIT.NOT_AS_EXPECTED


def _show(part: PolicyGroup, rows: list[Row]) -> None:
    show(f"{part.description}\n")
    cells = [["switched off", *[invariant.id for invariant in INVARIANTS]]]
    cells += [_cells(row, rows) for row in rows]
    width = 2 + max([len(line[0]) for line in cells])
    for line in cells:
        show("".join([cell.ljust(width if at == 0 else 9) for at, cell in enumerate(line)]).rstrip())
    show("")


def _cells(row: Row, rows: list[Row]) -> list[str]:
    answers = zip(row.answers, row.later, strict=True)
    cells = [_cell(*both) + " !" * is_new(row, at, rows) for at, both in enumerate(answers)]
    return [", ".join(row.off) or "nothing", *cells]


def _cell(first: ProofResult, later: ProofResult | None) -> str:
    if first.shortest is not None:
        return str(first.shortest)
    if later is not None and later.shortest is not None:
        return f"({later.shortest})"
    return "(-)" if later is not None and later.counts.off_target else "-"


def _add(part: PolicyGroup, row: Row, rows: list[Row]) -> None:
    answers = zip(INVARIANTS, row.answers, row.later, strict=True)
    broken = any(answer.finding is not None for answer in row.answers)
    output().add(
        Verdict.BROKEN if broken else Verdict.HELD,
        scope=part.description,
        off=row.off,
        invariants={
            invariant.id: {
                "shortest": answer.shortest,
                "complete": answer.complete,
                "states": answer.counts.states,
                "other_first": answer.counts.off_target,
                "later": later.shortest if later else None,
                "new": is_new(row, at, rows),
            }
            for at, (invariant, answer, later) in enumerate(answers)
        },
    )

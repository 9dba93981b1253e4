"""The command `matrix`: which policy is needed for what, computed."""

import json
from typing import Any

import click

from failure_modes.checker.campaigns.matrix import GROUPS, PolicyGroup, Row, is_new, matrix
from failure_modes.checker.cli.exits import EXIT, interrupted, leave
from failure_modes.checker.cli.options import JSON, PROCESSES
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.progress import Lines
from model.invariants import INVARIANTS


@click.command("matrix")
@PROCESSES
@click.option(
    "--together",
    type=click.IntRange(1, 6),
    default=1,
    show_default=True,
    help="Also switch off sets of so many policies: a hunt for what none of them shows alone.",
)
@JSON
def matrix_(processes: int, together: int, json_: bool) -> None:
    """Switch off each policy, and say which invariants break, and by how short a trace.

    Exit code 0 if nothing breaks with all policies on, else 1.
    """
    lines = Lines("matrix")
    try:
        parts = [(group, list(matrix(group, processes, lines.note, together))) for group in GROUPS]
    except KeyboardInterrupt:
        interrupted("no table is shown, for its rows are not complete")
    if json_:
        click.echo(json.dumps({"parts": [_part_as_json(part, rows) for part, rows in parts]}))
    else:
        for part, rows in parts:
            _show(part, rows)
        click.echo("N    breaks, by a shortest trace of N steps")
        if together > 1:
            click.echo("N !  and no smaller set of these policies breaks it")
        click.echo("-    breaks in no reachable state")
        click.echo("(N)  breaks only after another invariant did, by a shortest trace of N steps")
        click.echo("(-)  breaks nowhere before INV_003 does; what follows cannot be judged by INV_005")
    whole = [rows[-1].answers[0] for _, rows in parts]
    holds = all(answer.complete and answer.finding is None for answer in whole)
    leave(EXIT.AS_EXPECTED if holds else EXIT.NOT_AS_EXPECTED)


def _show(group: PolicyGroup, rows: list[Row]) -> None:
    click.echo(f"{group.told}\n")
    cells = [["switched off", *[invariant.id for invariant in INVARIANTS]]]
    cells += [_cells(row, rows) for row in rows]
    width = 2 + max([len(line[0]) for line in cells])
    for line in cells:
        click.echo("".join([cell.ljust(width if at == 0 else 9) for at, cell in enumerate(line)]).rstrip())
    click.echo()


def _part_as_json(group: PolicyGroup, rows: list[Row]) -> dict[str, Any]:
    return {"scope": group.told, "rows": [_as_json(row, rows) for row in rows]}


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


def _as_json(row: Row, rows: list[Row]) -> dict[str, Any]:
    return {
        "switched_off": row.off,
        "invariants": {
            invariant.id: {
                "shortest": answer.shortest,
                "complete": answer.complete,
                "states": answer.counts.states,
                "other_first": answer.counts.off_target,
                "later": later.shortest if later else None,
                "new": is_new(row, at, rows),
            }
            for at, (invariant, answer, later) in enumerate(
                zip(INVARIANTS, row.answers, row.later, strict=True)
            )
        },
    }

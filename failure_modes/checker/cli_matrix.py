"""The command `matrix`: which policy is needed for what, computed."""

import json
import os
import sys
from typing import Any

import click

from failure_modes.checker.exits import EXIT, leave
from failure_modes.checker.matrix import BOUNDS, SCOPE, Row, is_new, matrix
from failure_modes.checker.options import JSON
from failure_modes.checker.proving import Answer
from model.invariants import INVARIANTS
from system.clock import Stopwatch

SAID_EVERY_SECONDS = 2.0


@click.command("matrix")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    show_default="one for each core",
    help="That share the work.",
)
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
    rows = list(matrix(processes, _progress(), together))
    if json_:
        click.echo(json.dumps({"bounds": BOUNDS.told, "rows": [_as_json(row, rows) for row in rows]}))
    else:
        click.echo(f"{BOUNDS.told}; {SCOPE.workers} workers, {SCOPE.settings.attempts_max} attempts a job")
        click.echo()
        cells = [["switched off", *[invariant.id for invariant in INVARIANTS]]]
        cells += [_cells(row, rows) for row in rows]
        width = 2 + max([len(line[0]) for line in cells])
        for line in cells:
            click.echo(
                "".join([cell.ljust(width if at == 0 else 9) for at, cell in enumerate(line)]).rstrip()
            )
        click.echo()
        click.echo("N    breaks, by a shortest trace of N steps")
        if together > 1:
            click.echo("N !  and no smaller set of these policies breaks it")
        click.echo("-    breaks in no reachable state")
        click.echo("(-)  breaks nowhere before another invariant does; what follows was not looked at")
    whole = rows[-1].answers[0]
    leave(EXIT.AS_EXPECTED if whole.complete and whole.finding is None else EXIT.NOT_AS_EXPECTED)


def _cells(row: Row, rows: list[Row]) -> list[str]:
    cells = [_cell(answer) + " !" * is_new(row, at, rows) for at, answer in enumerate(row.answers)]
    return [", ".join(row.off) or "nothing", *cells]


def _cell(answer: Answer) -> str:
    if answer.shortest is not None:
        return str(answer.shortest)
    return "(-)" if answer.counts.asides else "-"


def _as_json(row: Row, rows: list[Row]) -> dict[str, Any]:
    return {
        "switched_off": row.off,
        "invariants": {
            invariant.id: {
                "shortest": answer.shortest,
                "complete": answer.complete,
                "states": answer.counts.states,
                "other_first": answer.counts.asides,
                "new": is_new(row, at, rows),
            }
            for at, (invariant, answer) in enumerate(zip(INVARIANTS, row.answers, strict=True))
        },
    }


def _progress() -> Any:
    """A line every few seconds."""
    stopwatch = Stopwatch()
    said = [SAID_EVERY_SECONDS]

    def done(what: str) -> None:
        if stopwatch.seconds >= said[0]:
            said[0] = stopwatch.seconds + SAID_EVERY_SECONDS
            print(f"done: {what}", file=sys.stderr, flush=True)  # noqa: T201 (this is the output)

    return done

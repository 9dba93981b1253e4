"""The bench: `python -m tests.bench [queue] [job] [latency] [burdens] [checker] [commands] [explorer]`."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from failure_modes.checker.support.atomic_files import write_atomically
from tests.bench.document import DOCUMENT, MEASURED, document, sections
from tests.bench.latency import WAITING
from tests.bench.machine import observed
from tests.bench.output import progress_ends
from tests.bench.parts import OF_TWO_VERSIONS, ON_DATABASES, PARTS, Sizes
from tests.bench.places import FOLDER, no_places, places

WORKERS = (1, 2, 4)
NAMED = tuple([part for part in PARTS if part != OF_TWO_VERSIONS])


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(NAMED), metavar="[PART]...")
@click.option(
    "--jobs", type=click.IntRange(1), default=1_000, show_default=True, help="queue: jobs in a run."
)
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="queue: rounds at most.")
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=200.0,
    show_default=True,
    help="queue: begin no further round after so long.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    multiple=True,
    default=WORKERS,
    show_default=True,
    help="queue: worker processes. Give it again for each number.",
)
@click.option(
    "--waiting",
    type=click.IntRange(0),
    multiple=True,
    default=WAITING,
    show_default=True,
    help="latency: jobs that wait. Give it again for each number.",
)
@click.option(
    "--rows",
    type=click.IntRange(2),
    default=500_000,
    show_default=True,
    help="burdens: jobs that `status` counts.",
)
@click.option(
    "--worked-off",
    type=click.IntRange(1),
    default=3_000,
    show_default=True,
    help="latency: jobs that are finished between; burdens: while a transaction stays open.",
)
@click.option("--leases", type=click.IntRange(1), default=500, show_default=True, help="latency: so many.")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="checker: searches a break."
)
@click.option(
    "--plain-seeds",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="checker: searches a break with the plain Hypothesis machine.",
)
@click.option(
    "--breaks", "breaks_max", type=click.IntRange(1), help="checker: so many breaks. Default: all on SQLite."
)
@click.option(
    "--proof-seconds",
    type=click.FloatRange(0),
    default=100.0,
    show_default=True,
    help="explorer: stop a proof after so long.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="explorer: prove the same with the version of the project in this folder, and profile both.",
)
@FOLDER
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.option(
    "--write",
    is_flag=True,
    help="Keep the values of these parts in tests/bench/measured.json, and write docs/bench.md from it.",
)
def main(parts: tuple[str, ...], folder: Any, *, json_: bool, write: bool, **sizes: Any) -> None:
    """What the queue and the checker cost. Nothing is asserted.

    \b
    PART is one or more of these; all of them by default:
      queue     jobs/s from enqueue to DONE, beside the peers that a user would take instead
      job       the statements, pages, `stat` calls and CPU time of one job
      latency   a lease and `status`, by the number of jobs that wait
      burdens   `status` with many jobs, leases beside an old transaction, the log beside a reader
      checker   a step in lock-step, and a search for each failure mode, beside a plain Hypothesis machine
      commands  whole commands, as a user starts them
      explorer  proofs, with and without reductions, in one process and in two; or of two versions

    The databases are durable: each commit waits for the disk. So the disk decides most of it, and a machine
    that does other work makes the figures worse.
    """
    chosen = Sizes(**sizes)
    asked = [part for part in NAMED if part in parts or not parts]
    if chosen.against is not None and "explorer" in asked:
        asked.append(OF_TWO_VERSIONS)
    values: dict[str, Any] = {}
    with ExitStack() as stack:
        there = no_places()
        if set(asked) & set(ON_DATABASES):
            there = stack.enter_context(places(folder))
        for part in asked:
            values[part] = {
                **observed(),
                "server": there.described() if part in ON_DATABASES else None,
                "values": PARTS[part](there, chosen),
            }
            if write:  # after each part, so that a run that is stopped loses no part that is done
                known = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
                known[part] = values[part]
                write_atomically(
                    MEASURED,
                    json.dumps({name: known[name] for name in PARTS if name in known}, indent=1) + "\n",
                )
                write_atomically(DOCUMENT, document(known))
    progress_ends()
    click.echo(json.dumps(values) if json_ else "\n\n".join(sections(values)))


if __name__ == "__main__":
    main(prog_name="python -m tests.bench")

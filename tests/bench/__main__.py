"""The bench: `python -m tests.bench [queue] [latency] [burdens] [checker]`."""

import json
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from failure_modes.checker.experiment.scope import Granularity
from tests.bench import report
from tests.bench.burdens import burdens
from tests.bench.checker import searches, step_microseconds
from tests.bench.contenders import ALL, why_not
from tests.bench.latency import WAITING, latencies
from tests.bench.machine import described
from tests.bench.output import progress, progress_ends
from tests.bench.places import Places, places
from tests.bench.throughput import rounds

PARTS = ("queue", "latency", "burdens", "checker")
WORKERS = (1, 2, 4, 8)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS), metavar="[PART]...")
@click.option(
    "--jobs", type=click.IntRange(1), default=1_000, show_default=True, help="queue: jobs in a run."
)
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="queue: rounds.")
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=900.0,
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
    default=2_000_000,
    show_default=True,
    help="burdens: jobs that `status` counts.",
)
@click.option(
    "--worked-off",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="burdens: jobs that are finished while a transaction stays open.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=20, show_default=True, help="checker: searches a mode."
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the SQLite files are, on a real disk. Default: the system's folder for files that last.",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def main(
    parts: tuple[str, ...],
    jobs: int,
    runs: int,
    seconds: float,
    workers: tuple[int, ...],
    waiting: tuple[int, ...],
    rows: int,
    worked_off: int,
    seeds: int,
    folder: Path | None,
    json_: bool,
) -> None:
    """What the queue and the checker cost. Nothing is asserted.

    \b
    PART is one or more of these; all of them by default:
      queue    jobs/s from enqueue to DONE, beside the peers that a user would take instead
      latency  what a lease takes, by the number of jobs that wait
      burdens  `status` with many jobs, leases beside an old transaction, the log beside a reader
      checker  a step in lock-step, and a search for each failure mode

    The databases are durable: each commit waits for the disk. So the disk decides most of it, and a machine
    that does other work makes the figures worse.
    """
    asked = [part for part in PARTS if part in parts or not parts]
    values: dict[str, Any] = {"machine": described()}
    told: list[str] = [described()]
    if asked != ["checker"]:
        with places(folder) as there:
            told.append(there.described())
            values["server"] = there.described()
            if "queue" in asked:
                _queue(there, told, values, jobs=jobs, runs=runs, seconds=seconds, workers=workers)
            if "latency" in asked:
                kinds = ("SQLite",) if there.server is None else ("SQLite", "PostgreSQL")
                measured = tuple(latencies(there, kinds, tuple(sorted(set(waiting)))))
                told.append(report.lease_latency(measured))
                values["latency"] = report.latency_values(measured)
            if "burdens" in asked:
                kinds = ("SQLite",) if there.server is None else ("SQLite", "PostgreSQL")
                weighed = tuple(burdens(there, kinds, rows, worked_off))
                told.append(report.weighed(weighed))
                values["burdens"] = [asdict(one) for one in weighed]
    if "checker" in asked:
        _checker(told, values, seeds)
    progress_ends()
    click.echo(json.dumps(values) if json_ else "\n\n".join(told))


def _queue(
    there: Places,
    told: list[str],
    values: dict[str, Any],
    *,
    jobs: int,
    runs: int,
    seconds: float,
    workers: tuple[int, ...],
) -> None:
    missing = {
        each.name: why
        for each in ALL
        if (why := why_not(each) or (there.why_no_server if each.database == "PostgreSQL" else None))
    }
    contenders = [each for each in ALL if each.name not in missing]
    done = rounds(there, contenders, jobs=jobs, workers=workers, runs=runs, seconds=seconds)
    told += [f"{name} is not measured: {why}" for name, why in missing.items()]
    told += [
        f"{jobs:,} jobs a run, median of {max(map(len, done.runs.values()))} (least to most)",
        *[f"a run has failed, with {failure}" for failure in done.failures],
        report.disk(done),
        report.jobs_a_second(done, contenders, workers),
        report.promises(contenders),
    ]
    values["queue"] = {
        "jobs": jobs,
        "missing": missing,
        "failures": done.failures,
        **report.as_values(done, contenders),
    }


def _checker(told: list[str], values: dict[str, Any], seeds: int) -> None:
    steps = {}
    for granularity in Granularity:
        progress(f"checker: steps at granularity {granularity}")
        steps[granularity.value] = step_microseconds(granularity)
    found = tuple(searches(seeds))
    lines = [
        f"lock-step at granularity {name}: {each:,.0f} microseconds a step, set-up included"
        for name, each in steps.items()
    ]
    told.append("\n".join([*lines, *report.searched(found)]))
    values["checker"] = {
        "step_microseconds": steps,
        "searches": [asdict(one) for one in found],
    }


if __name__ == "__main__":
    main(prog_name="python -m tests.bench")

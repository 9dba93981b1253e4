"""Measure the proofs of the guarded system, scope by scope: `python -m tests.cost`."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import click

from failure_modes.checker.cli.sharing import PROCESSES, cluster_of
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import Limits, prove
from tests.bench.machine import observed
from tests.bench.output import progress, progress_ends
from tests.cost.document import cost_table, keep


@click.command()
@click.option("--jobs", default=3, show_default=True, help="From 1 job to so many.")
@click.option("--workers", default=3, show_default=True, help="From 1 worker to so many.")
@click.option("--crashes", default=2, show_default=True, help="From no crash to so many.")
@click.option("--ticks", default=1, show_default=True, help="Ticks of 30 s in each scope.")
@click.option("--seconds", default=600.0, show_default=True, help="Stop each proof after so long.")
@click.option("--granularity", type=click.Choice([g.value for g in Granularity]), default="transaction")
@click.option("--write", is_flag=True, help="Keep the figures, and write them into docs/proving.md.")
@PROCESSES
def main(*, write: bool, **options: Any) -> None:
    """Print a table: states, transitions, seconds and memory of the guarded system's proof."""
    measured = {
        **observed(),
        **{name: options[name] for name in ("granularity", "ticks", "processes")},
        "seconds_max": options["seconds"],
        "proofs": list(_proofs(options)),
    }
    progress_ends()
    click.echo(cost_table(measured))
    if write:
        keep(measured)


def _proofs(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Prove each scope in turn. After an interruption no further proof begins."""
    sizes = [range(1, options["jobs"] + 1), range(1, options["workers"] + 1), range(options["crashes"] + 1)]
    for jobs, workers, crashes in product(*sizes):
        progress(f"{jobs} jobs, {workers} workers, {crashes} crashes")
        proof = Proof(
            scope=Scope(workers=workers, granularity=Granularity(options["granularity"])),
            bounds=Bounds(jobs=jobs, ticks=options["ticks"], crashes=crashes),
            fault=guarded,
        )
        result = prove(
            proof,
            processes=options["processes"],
            cluster=cluster_of(proof.scope, options),
            limits=Limits(seconds_max=options["seconds"]),
        )
        if result.bound == "interrupted":
            raise click.Abort
        yield {
            "jobs": jobs,
            "workers": workers,
            "crashes": crashes,
            "states": result.counts.states,
            "transitions": result.counts.transitions,
            "depth": result.depth,
            "seconds": round(result.seconds, 1),
            "memory_mb": round(result.peak_memory_mb),
            "complete": result.complete,
        }


if __name__ == "__main__":
    main(prog_name="python -m tests.cost")

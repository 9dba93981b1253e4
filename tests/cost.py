"""What a proof costs, by its scope: `nox -s cost`. Figures for people; nothing is asserted."""

from typing import Any

import click

from failure_modes.checker.cli.sharing import PROCESSES, cluster_of
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import Limits, prove


@click.command()
@click.option("--jobs", default=3, show_default=True, help="From 1 job to so many.")
@click.option("--workers", default=3, show_default=True, help="From 1 worker to so many.")
@click.option("--crashes", default=2, show_default=True, help="From no crash to so many.")
@click.option("--ticks", default=1, show_default=True, help="Ticks of 30 s in each scope.")
@click.option("--seconds", default=60.0, show_default=True, help="Give each scope so long.")
@click.option("--granularity", type=click.Choice([g.value for g in Granularity]), default="transaction")
@PROCESSES
def main(
    jobs: int, workers: int, crashes: int, ticks: int, seconds: float, granularity: str, **options: Any
) -> None:
    """Print a table: states, transitions, seconds and memory of the guarded system's proof."""
    click.echo("| jobs | workers | crashes | states | transitions | depth | seconds | MB | |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for of_jobs in range(1, jobs + 1):
        for of_workers in range(1, workers + 1):
            for of_crashes in range(crashes + 1):
                proof = Proof(
                    scope=Scope(workers=of_workers, granularity=Granularity(granularity)),
                    bounds=Bounds(jobs=of_jobs, ticks=ticks, crashes=of_crashes),
                    fault=guarded,
                )
                answer = prove(
                    proof,
                    processes=options["processes"],
                    cluster=cluster_of(proof.scope, options),
                    limits=Limits(seconds_max=seconds),
                )
                counts = answer.counts
                verdict = "complete" if answer.complete else f"{answer.bound} was hit"
                cells = (
                    str(of_jobs),
                    str(of_workers),
                    str(of_crashes),
                    f"{counts.states:,}",
                    f"{counts.transitions:,}",
                    str(answer.depth),
                    f"{answer.seconds:.1f}",
                    f"{answer.peak_memory_mb:,.0f}",
                    verdict,
                )
                click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

"""Each failure mode, searched with ten seeds: `nox -s catalogue`. Fails unless each search ends shortest."""

import click

from failure_modes.checker.catalogue import FailureMode, catalogue
from failure_modes.checker.testing import find, prove_broken, prove_guarded
from system.clock import Stopwatch


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="For each.")
def main(seeds: int) -> None:
    """Print a table: searches that found it, by which example, as short as proved; and the states proved."""
    click.echo("| id | found | by example | shrunk to | shortest proved | states proved | seconds |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    failed = [mode.id for mode in catalogue() if not _told(mode, seeds)]
    if failed:
        click.echo(f"not found by each seed, or not as short as proved: {', '.join(failed)}", err=True)
        raise SystemExit(1)


def _told(mode: FailureMode, seeds: int) -> bool:
    stopwatch = Stopwatch()
    lengths, firsts = [], []
    for seed in range(seeds):
        try:
            result = find(mode.id, seed=seed)
        except AssertionError as error:
            click.echo(str(error), err=True)
            continue
        lengths.append(len(result.actions))
        firsts.append(result.tally.examples_to_first or 0)
    shortest, states = prove_broken(mode.id).shortest, prove_guarded(mode.id).counts.states
    cells = (
        mode.id,
        f"{len(lengths)} of {seeds}",
        f"{min(firsts, default=0)} to {max(firsts, default=0)}",
        " or ".join([str(length) for length in sorted(set(lengths))]),
        str(shortest),
        f"{states:,}",
        f"{stopwatch.seconds:.0f}",
    )
    click.echo(f"| {' | '.join(cells)} |")
    return len(lengths) == seeds and set(lengths) == {shortest}


if __name__ == "__main__":
    main()

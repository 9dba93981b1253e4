"""The command `seeds`: each failure mode searched with ten seeds or more, for the index."""

import click

from failure_modes.checker.campaigns.seeds import keep, key_of, search, searched
from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import Mode
from failure_modes.checker.cli.output import Verdict, interrupted, output, show
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.report.progress import Lines

SEEDS_MIN = 10


@command("seeds")
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    show_default=f"as many as the last time, {SEEDS_MIN} at least",
    help="How many seeds for each.",
)
def seeds_(modes: tuple[FailureMode, ...], seeds: int | None) -> EXIT:
    """Search each FM with several seeds, and keep the results for the index of failure modes.

    Without an FM: all of them; results of failure modes that are gone are removed. As expected if each search
    finds the break, and ends at a trace of the shortest length.
    """
    everything = catalogue()
    kept = searched()
    keys = [key_of(one) for mode in everything for one in mode.each]
    known = {key: kept[key] for key in keys if key in kept}
    lines, right = Lines("seeds"), True
    wanted = [one for asked in modes or everything for one in asked.each]
    for done, mode in enumerate(wanted):
        before = known[key_of(mode)].seeds if key_of(mode) in known else 0
        try:
            one = known[key_of(mode)] = search(mode, seeds or max(before, SEEDS_MIN), lines.note)
        except KeyboardInterrupt:
            interrupted(f"{done} of {len(wanted)} breaks were searched for with all seeds, and are kept")
        short = one.ends_at(mode.shortest)
        right = right and short
        lengths = " or ".join([str(length) for length in one.lengths]) or "nothing"
        wrong = "" if short else f", and the shortest is {mode.shortest}"
        show(f"{mode.id} {mode.title}, {mode.breaks}: found with {one.told}; shrunk to {lengths}{wrong}")
        output().add(
            Verdict.BROKEN if one.lengths else Verdict.HELD,
            failure_mode=mode.id,
            target=mode.breaks,
            seeds=one.seeds,
            lengths=one.lengths,
            shortest=mode.shortest,
            as_expected=short,
        )
        keep(known)
    return EXIT.AS_EXPECTED if right else EXIT.NOT_AS_EXPECTED

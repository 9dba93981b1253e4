"""The command `seeds`: it searches each failure mode with ten seeds or more, for the index."""

from typing import Any

import click

from failure_modes.checker.campaigns.measurements import keep, measurements_of
from failure_modes.checker.campaigns.seeds import search
from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import Mode
from failure_modes.checker.cli.output import Verdict, interrupted, output, show
from failure_modes.checker.cli.sharing import PROCESSES, pool_of
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue, require_checkout
from failure_modes.checker.report.progress import ProgressLines

SEEDS_MIN = 10


@command("seeds")
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    show_default=f"as many as the last time, and at least {SEEDS_MIN}",
    help="The number of seeds.",
)
@PROCESSES
def seeds_(modes: tuple[FailureMode, ...], seeds: int | None, **options: Any) -> EXIT:
    """Search each FM with several seeds, and keep the results in its folder, for the index.

    Without FM: all failure modes. As expected if each search finds the break, and ends at a trace of the
    shortest length.
    """
    require_checkout()
    chosen = modes or catalogue()
    known = {mode.id: measurements_of(mode) for mode in chosen}
    lines, right = ProgressLines("seeds"), True
    wanted = [(of, mode) for of in chosen for mode in of.each]
    with pool_of(options) as pool:
        for done, (of, mode) in enumerate(wanted):
            before = known[of.id].searched.get(mode.breaks)
            try:
                one = search(mode, seeds or max(before.seeds if before else 0, SEEDS_MIN), pool, lines.note)
            except KeyboardInterrupt:
                interrupted(f"the results of {done} of {len(wanted)} breaks are complete and kept")
            short = one.ends_at(mode.expected.shortest)
            right = right and short
            lengths = " or ".join([str(length) for length in one.lengths]) or "nothing"
            wrong = "" if short else f", but the shortest has {mode.expected.shortest}"
            found = f"found with {one.description}; minimised to {lengths}{wrong}"
            show(f"{mode.id} {mode.title}, {mode.breaks}: {found}")
            output().add(
                Verdict.BROKEN if one.lengths else Verdict.HELD,
                failure_mode=mode.id,
                target=mode.breaks,
                seeds=one.seeds,
                lengths=one.lengths,
                shortest=mode.expected.shortest,
                as_expected=short,
            )
            known[of.id] = known[of.id].with_searched(mode.breaks, one)
            keep(of, known[of.id])
    return EXIT.AS_EXPECTED if right else EXIT.NOT_AS_EXPECTED

"""The command `repeat`: two runs of the same schedule on a real server must be equal."""

from collections import Counter
from itertools import chain

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import seed_of
from failure_modes.checker.cli.output import Verdict, interrupted, output, show, warn
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.real.fidelity import Comparison, compare, kept_schedules, schedules
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.support.interrupts import check

MUST_REACH = ("a process waited for a lock", "a lease passed over a job", "a crash fell inside a transaction")
"""The properties that the schedules must reach. Otherwise the comparison is too easy."""


@command()
@click.option(
    "--schedules",
    "number",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Random schedules.",
)
@seed_of("The seed of the schedules.")
def repeat(number: int, seed: int) -> EXIT:
    """Run each schedule twice on PostgreSQL, and compare the steps and the rows at the end.

    Kept traces of PostgreSQL are run twice, too. As expected if no run differs. Inconclusive if the schedules
    reached too little.
    """
    lines, store = ProgressLines("repeat"), StoreKind.POSTGRESQL
    done: list[Comparison] = []
    try:
        for schedule in chain(kept_schedules(store), schedules(number, seed, store)):
            done.append(compare(schedule, world_of))
            lines.say(lambda: f"{len(done):,} run twice, {sum(c.steps for c in done):,} steps")
            check()
    except KeyboardInterrupt:
        differ = sum(compared.difference is not None for compared in done)
        interrupted(f"run twice: {len(done):,}, different: {differ:,}")
    different = [compared for compared in done if compared.difference]
    reached: Counter[str] = sum([compared.reached for compared in done], Counter())
    missing = [name for name in MUST_REACH if not reached[name]]
    steps = sum(compared.steps for compared in done)
    show(f"repeat: {len(done):,} schedules (seed {seed}) on {store}, each run twice: {steps:,} steps")
    for name, count in sorted(reached.items()):
        show(f"   {name:<45} {count:>7,}")
    for compared in different[:5]:
        show(f" DIFFERENT {compared.schedule.name}, {(compared.difference or '')[:1_000]}")
    show(f" {len(different):,} of {len(done):,} differ")
    if missing:
        warn(f"never reached, so too little is compared: {', '.join(missing)}")
    output().add(
        Verdict.BROKEN if different else Verdict.INCONCLUSIVE if missing else Verdict.HELD,
        runs=len(done),
        seed=seed,
        steps=steps,
        reached=dict(sorted(reached.items())),
        differences=[[compared.schedule.name, compared.difference] for compared in different],
    )
    return EXIT.NOT_AS_EXPECTED if different else EXIT.INCONCLUSIVE if missing else EXIT.AS_EXPECTED

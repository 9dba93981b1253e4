"""The command `fidelity`: it compares the simulation with real processes."""

from collections import Counter
from itertools import chain
from typing import Any

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import seed_of
from failure_modes.checker.cli.output import Verdict, interrupted, output, show, warn
from failure_modes.checker.cli.sharing import PROCESSES, pool_of
from failure_modes.checker.real.fidelity import Comparison, compare, kept_schedules, schedules
from failure_modes.checker.real.real import CommittingCrashWorld
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.support.interrupts import check

MUST_REACH = (
    "a crash fell inside a transaction",
    "a process waited for a lock",
    "a lease expired",
    "power was lost",
)
"""The properties that the schedules must reach. Otherwise the comparison is too easy."""

CANARY_MAX = 60
"""The number of schedules in which the canary must be noticed."""


@command()
@click.option(
    "--schedules",
    "number",
    type=click.IntRange(1, 1_000_000),
    default=500,
    show_default=True,
    help="How many random schedules; half of them have crashes.",
)
@seed_of("The seed of the schedules.")
@PROCESSES
def fidelity(number: int, seed: int, **options: Any) -> EXIT:
    """Run each schedule in the simulation and with real processes that SIGKILL kills, and compare both runs.

    Kept traces are compared, too. The last run is a canary: a wrong crash, which lets an open transaction
    commit. As expected if no run differs and the canary is noticed. Inconclusive if the schedules reached too
    little.
    """
    lines = ProgressLines("fidelity")
    done: list[Comparison] = []
    wanted = chain(kept_schedules(), schedules(number, seed))
    try:
        with pool_of(options) as pool:
            for compared in pool.in_order(compare, wanted):
                done.append(compared)
                lines.say(lambda: f"{len(done):,} run both ways, {sum(c.steps for c in done):,} steps")
        noticed = _canary(seed)
    except KeyboardInterrupt:
        differ = sum(compared.difference is not None for compared in done)
        interrupted(f"run both ways: {len(done):,}, different: {differ:,}; nothing is proved")
    different = [compared for compared in done if compared.difference]
    reached: Counter[str] = sum([compared.reached for compared in done], Counter())
    missing = [name for name in MUST_REACH if not reached[name]]
    _show(done, number, seed, reached, different, noticed)
    if missing:
        warn(f"never reached, so too little is compared: {', '.join(missing)}")
    wrong = bool(different) or noticed is None
    output().add(
        Verdict.BROKEN if wrong else Verdict.INCONCLUSIVE if missing else Verdict.HELD,
        runs=len(done),
        schedules=number,
        seed=seed,
        steps=sum(compared.steps for compared in done),
        crashes=sum(compared.crashes for compared in done),
        reached=dict(sorted(reached.items())),
        differences=[[compared.schedule.name, compared.difference] for compared in different],
        canary=noticed,
    )
    return EXIT.NOT_AS_EXPECTED if wrong else EXIT.INCONCLUSIVE if missing else EXIT.AS_EXPECTED


def _canary(seed: int) -> str | None:
    """The schedule and step at which the canary was noticed, or None. Raises KeyboardInterrupt."""
    for schedule in schedules(CANARY_MAX, seed):
        check()
        if schedule.scope.power_loss:
            continue
        compared = compare(schedule, CommittingCrashWorld)
        if compared.difference:
            return f"{schedule.name}, {compared.difference.split(':')[0]}"
    return None


def _show(
    done: list[Comparison],
    number: int,
    seed: int,
    reached: Counter[str],
    different: list[Comparison],
    noticed: str | None,
) -> None:
    steps, crashes = sum(c.steps for c in done), sum(c.crashes for c in done)
    kept = len(done) - number
    show(f"fidelity: {number:,} random schedules (seed {seed}) and {kept} runs of kept traces, both ways")
    show(f" {steps:,} steps, {crashes:,} processes killed by SIGKILL")
    for name, count in sorted(reached.items()):
        show(f"   {name:<45} {count:>7,}")
    for compared in different[:5]:
        show(f" DIFFERENT {compared.schedule.name}, {(compared.difference or '')[:1_000]}")
    show(f" {len(different):,} of {len(done):,} differ")
    if noticed is None:
        show(" a crash that lets an open transaction commit was NOT noticed: nothing is proved")
    else:
        show(f" a crash that lets an open transaction commit is noticed: {noticed}")

"""The command `all`: every failure mode on one store: found, prevented, proved and replayed."""

from collections.abc import Iterator

import click
from attrs import evolve, frozen

from failure_modes.checker.cli.exits import EXIT, interrupted, leave, worst
from failure_modes.checker.cli.options import Mode
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.report.progress import Lines
from failure_modes.checker.report.summary import unreached
from failure_modes.checker.search.plans import guards_of, proof_of, search_of
from failure_modes.checker.search.uninterrupted import prove, search
from failure_modes.checker.support.interrupts import check
from failure_modes.checker.traces.database import kept
from failure_modes.checker.traces.replay import replay
from system.clock import Stopwatch


@frozen(kw_only=True)
class Ran:
    """What came of one failure mode: what to say, and what is not as it should be."""

    told: str
    wrong: tuple[str, ...]


@click.command("all")
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
@click.option(
    "--store",
    type=click.Choice([store.value for store in StoreKind]),
    default=StoreKind.SQLITE.value,
    show_default=True,
    help="The database that the real queue runs on.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the searches.")
def all_(modes: tuple[FailureMode, ...], store: str, seed: int) -> None:
    """Find each FM, prevent it, prove both, and replay its kept traces, on one store.

    Without an FM all of them. Exit code 1 unless each is found and shrunk to the shortest length, nothing
    breaks on the guarded system, and each kept trace does what it did.
    """
    on, lines, codes = StoreKind(store), Lines("all"), list[EXIT]()
    wanted = modes or catalogue()
    try:
        for mode in wanted:
            codes.append(_shown(mode, on, seed, lines))
    except KeyboardInterrupt:
        wrong = sum(code is not EXIT.AS_EXPECTED for code in codes)
        interrupted(f"{len(codes)} of {len(wanted)} failure modes were run, not as expected: {wrong}")
    leave(worst(codes))


def _shown(mode: FailureMode, on: StoreKind, seed: int, lines: Lines) -> EXIT:
    """Run one, and show what came of it. Raises KeyboardInterrupt, and shows nothing."""
    name = f"{mode.id} {mode.title}"
    why = mode.not_on.get(on)
    if why is not None:
        click.echo(f"{name}: not on {on}: {why}")
        return EXIT.AS_EXPECTED
    watch = Stopwatch()
    ran = _run(mode, on, seed, lines)
    click.echo(f"{name}: {ran.told}; {watch.seconds:.0f} s")
    for wrong in ran.wrong:
        click.echo(f"  wrong: {wrong}")
    return EXIT.NOT_AS_EXPECTED if ran.wrong else EXIT.AS_EXPECTED


def _run(mode: FailureMode, on: StoreKind, seed: int, lines: Lines) -> Ran:
    told: list[str] = []
    wrong: list[str] = []
    for one in mode.on(on).each:
        lines.note(f"{mode.id}: looking for {one.breaks}, and proving its shortest trace")
        ran = _broken(one, seed)
        told.append(ran.told)
        wrong += ran.wrong
    for one in guards_of(mode.on(on)):
        lines.note(f"{mode.id}: trying it with the fault put right, and proving it")
        ran = _guarded(one, seed)
        told.append(ran.told)
        wrong += ran.wrong
    lines.note(f"{mode.id}: replaying")
    wrong += _replayed(mode, on)
    return Ran(told="; ".join(told), wrong=tuple(wrong))


def _broken(mode: FailureMode, seed: int) -> Ran:
    found, shortest = search(search_of(mode, seed, broken=True)), prove(proof_of(mode, broken=True))
    wrong = []
    least = mode.expected.shortest
    if found.finding is None or len(found.actions) != least:
        wrong.append(f"the search ended at {len(found.actions) or 'nothing'}, and the shortest is {least}")
    if not shortest.complete or shortest.shortest != least:
        wrong.append(f"the shortest trace has {shortest.shortest} steps, and should have {least}")
    first = found.tally.examples_to_first
    told = f"{mode.breaks} broken by example {first}, shrunk to {len(found.actions)}; no trace is shorter"
    return Ran(told=told, wrong=tuple(wrong))


def _guarded(mode: FailureMode, seed: int) -> Ran:
    tried = search(search_of(mode, seed, broken=False, examples=mode.expected.examples))
    states = prove(proof_of(mode, broken=False))
    wrong = []
    if tried.finding is not None:
        wrong.append(f"it broke with the fault put right: {tried.finding.got}, by {tried.actions}")
    if missing := unreached(mode.expected.must_reach, tried):
        wrong.append(f"never reached: {', '.join(missing)}")
    if not states.complete or states.finding is not None:
        wrong.append(f"it is not proved with the fault put right: {states.bound or states.finding}")
    if states.counts.states != mode.expected.states:
        wrong.append(f"{states.counts.states} states, and there should be {mode.expected.states}")
    return Ran(
        told=f"prevented in {tried.tally.examples:,} examples and {states.counts.states:,} states",
        wrong=tuple(wrong),
    )


def _replayed(mode: FailureMode, on: StoreKind) -> Iterator[str]:
    """What is wrong with the replays. A trace made statement by statement is of one store alone."""
    for path, trace in kept(mode):
        check()
        if trace.scope.store is not on and trace.scope.granularity != "transaction":
            continue
        moved = evolve(trace, scope=evolve(trace.scope, store=on))
        for on_guarded in (False, True):
            if not replay(moved, guarded=on_guarded).as_expected:
                yield f"{path.name} did something else{', guarded' if on_guarded else ''}"

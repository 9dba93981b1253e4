"""Fidelity: the same schedule is run in the simulation and with real processes, and both runs are compared.

The comparison covers, for each action in order, its statement, its commit or wait, and the pause point of
each process afterwards; and, at the end, every row of every table and the last ids that were given out.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import zip_longest

from attrs import evolve, frozen

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED, Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_POISON
from failure_modes.checker.real.real import real_world_of
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.traces.database import all_kept
from model.actions import Action, Crash

NO_VIOLATION = "no violation"

MakeWorld = Callable[[Scope, Fault], World]


@frozen(kw_only=True)
class Schedule:
    """A run to compare: the actions, and the system that they run on."""

    name: str
    scope: Scope
    fault: Fault
    target: Target | None
    actions: tuple[Action, ...]


@frozen(kw_only=True)
class RunRecord:
    """The record of a run: its steps, the rows at its end, and the `sometimes` properties that it reached."""

    steps: tuple[object, ...]
    rows: object
    reached: tuple[tuple[str, int], ...]


@frozen(kw_only=True)
class Comparison:
    """The result of a comparison. `difference` is None if both runs are equal."""

    schedule: Schedule
    difference: str | None
    steps: int
    crashes: int
    reached: Counter[str]


def schedules(number: int, seed: int, store: StoreKind = StoreKind.SQLITE) -> Iterator[Schedule]:
    """Random schedules of the guarded system.

    The granularities alternate, and half of the schedules have crashes. On SQLite, every tenth may lose
    power.
    """
    for at in range(number):
        granularity = Granularity.STATEMENT if at % 2 else Granularity.TRANSACTION
        scope, strategy = Scope(granularity=granularity, store=store).with_each_tick(), UNRESTRICTED
        if at % 4 < 2:
            strategy = strategy.weighted("Crash", 0)
        if at % 10 == 9 and store is StoreKind.SQLITE:
            scope, strategy = evolve(scope, power_loss=True), strategy.weighted("PowerLoss", 1)
        chance = random.Random(f"{seed}:{at}")
        actions = _drawn(scope, strategy, chance)
        while at % 4 >= 2 and not any(isinstance(action, Crash) for action in actions):
            actions = _drawn(scope, strategy, chance)
        yield Schedule(
            name=f"schedule {at} of seed {seed}",
            scope=scope,
            fault=guarded,
            target=None,
            actions=actions,
        )


def kept_schedules(store: StoreKind = StoreKind.SQLITE) -> Iterator[Schedule]:
    """Each kept trace of that store, on the broken system and on the guarded one."""
    for path, trace in all_kept():
        if trace.scope.store is not store:
            continue
        mode = failure_mode(trace.failure_mode) if trace.failure_mode else None
        if mode is not None and trace.breaks.invariant is not None:
            mode = mode.breaking(trace.breaks.invariant)
            yield Schedule(
                name=f"{mode.id} {path.stem}",
                scope=trace.scope,
                fault=mode.fault,
                target=mode.target,
                actions=trace.actions,
            )
        yield Schedule(
            name=f"{path.stem}, guarded",
            scope=trace.scope,
            fault=guarded,
            target=None,
            actions=trace.actions,
        )


def compare(schedule: Schedule, other: MakeWorld = real_world_of) -> Comparison:
    """Run a schedule in the simulation and in the other world, and compare."""
    simulated, real = _run(schedule, world_of), _run(schedule, other)
    reached = Counter(dict(real.reached))
    crashes = sum(isinstance(action, Crash) for action in schedule.actions) + reached[OF_POISON]
    return Comparison(
        schedule=schedule,
        difference=_difference(schedule, simulated, real),
        steps=len(real.steps),
        crashes=crashes,
        reached=reached,
    )


def _drawn(scope: Scope, strategy: Strategy, chance: random.Random) -> tuple[Action, ...]:
    """Draw possible actions, while the simulated world runs them."""
    bursts = strategy.bursts(scope)
    with Lockstep(scope) as lockstep:
        for _ in range(strategy.steps_max(scope)):
            for number, action in enumerate(chance.choice(bursts)):
                if not lockstep.possible(action) or (number and lockstep.is_choice_point(action)):
                    break
                lockstep.apply(action)
        return tuple(lockstep.ledger.actions)


def _run(schedule: Schedule, make: MakeWorld) -> RunRecord:
    world = make(schedule.scope, schedule.fault)
    ended, pause_points = NO_VIOLATION, list[object]()
    with Lockstep(schedule.scope, schedule.fault, target=schedule.target, world=world) as lockstep:
        try:
            for action in schedule.actions:
                if lockstep.possible(action):
                    lockstep.apply(action)
                    pause_points.append(
                        tuple([(process.at, process.in_transaction) for process in world.processes.values()])
                    )
            if not lockstep.over:
                lockstep.finish()
        except Found as found:
            ended = f"{found.finding}"
        steps = [
            (
                record.action,
                record.statement,
                record.committed,
                record.blocked,
                record.events,
                record.after,
                points,
            )
            for record, points in zip_longest(lockstep.ledger.records, pause_points)
        ]
        return RunRecord(
            steps=(*steps, ended),
            rows=world.content.everything(),
            reached=tuple(sorted(lockstep.ledger.sometimes.items())),
        )


def _difference(schedule: Schedule, simulated: RunRecord, real: RunRecord) -> str | None:
    if schedule.target is None and simulated.steps[-1] != NO_VIOLATION:
        return f"the guarded system broke: {simulated.steps[-1]}"
    if schedule.target is not None and simulated.steps[-1] == NO_VIOLATION:
        return "the broken system did not break"
    for number, (step, real_step) in enumerate(zip(simulated.steps, real.steps, strict=False), start=1):
        if step != real_step:
            return f"step {number}: simulated {step}, real {real_step}"
    if len(simulated.steps) != len(real.steps):
        return f"{len(simulated.steps)} steps simulated, {len(real.steps)} real"
    if simulated.rows != real.rows:
        return f"rows at the end: simulated {simulated.rows}, real {real.rows}"
    return None

"""Is what the checker simulates what happens to real processes? The same schedule, run both ways, compared.

Compared are the statement that each action ran, in order, what it committed or waited for, where each process
then stands, and what is left: every row of every table, the audit among them, and the last ids that were
given.
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

TO_ITS_END = "to its end"

MakeWorld = Callable[[Scope, Fault], World]


@frozen(kw_only=True)
class Schedule:
    """What is run both ways: actions, on which system."""

    name: str
    scope: Scope
    fault: Fault
    target: Target | None
    actions: tuple[Action, ...]


@frozen(kw_only=True)
class Left:
    """What a run did, and what it left."""

    steps: tuple[object, ...]
    rows: object
    met: tuple[tuple[str, int], ...]


@frozen(kw_only=True)
class Compared:
    """A schedule that was run both ways. `difference` is None where there is none."""

    schedule: Schedule
    difference: str | None
    steps: int
    crashes: int
    met: Counter[str]


def schedules(number: int, seed: int, store: StoreKind = StoreKind.SQLITE) -> Iterator[Schedule]:
    """Random schedules of the guarded system: both granularities in turn, crashes in half of them.

    In every tenth power may be lost besides, on SQLite.
    """
    for at in range(number):
        granularity = Granularity.STATEMENT if at % 2 else Granularity.TRANSACTION
        scope, strategy = Scope(granularity=granularity, store=store), UNRESTRICTED
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
    """Each trace that was kept on that store, on the broken system and on the guarded one."""
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


def compare(schedule: Schedule, real: MakeWorld = real_world_of) -> Compared:
    """Run it both ways."""
    simulated, happened = _run(schedule, world_of), _run(schedule, real)
    met = Counter(dict(happened.met))
    crashes = sum(isinstance(action, Crash) for action in schedule.actions) + met[OF_POISON]
    return Compared(
        schedule=schedule,
        difference=_difference(schedule, simulated, happened),
        steps=len(happened.steps),
        crashes=crashes,
        met=met,
    )


def _drawn(scope: Scope, strategy: Strategy, chance: random.Random) -> tuple[Action, ...]:
    """Actions that can happen one after the other: drawn while the simulated world runs them."""
    bursts = strategy.bursts(scope)
    with Lockstep(scope) as lockstep:
        for _ in range(strategy.steps_max(scope)):
            for number, action in enumerate(chance.choice(bursts)):
                if not lockstep.possible(action) or (number and lockstep.is_choice_point(action)):
                    break
                lockstep.apply(action)
        return tuple(lockstep.ledger.actions)


def _run(schedule: Schedule, make: MakeWorld) -> Left:
    world = make(schedule.scope, schedule.fault)
    ended, places = TO_ITS_END, list[object]()
    with Lockstep(schedule.scope, schedule.fault, target=schedule.target, world=world) as lockstep:
        try:
            for action in schedule.actions:
                if lockstep.possible(action):
                    lockstep.apply(action)
                    places.append(tuple([(one.at, one.in_transaction) for one in world.processes.values()]))
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
                place,
            )
            for record, place in zip_longest(lockstep.ledger.records, places)
        ]
        return Left(
            steps=(*steps, ended),
            rows=world.content.everything(),
            met=tuple(sorted(lockstep.ledger.sometimes.items())),
        )


def _difference(schedule: Schedule, simulated: Left, happened: Left) -> str | None:
    if schedule.target is None and simulated.steps[-1] != TO_ITS_END:
        return f"the guarded system broke: {simulated.steps[-1]}"
    if schedule.target is not None and simulated.steps[-1] == TO_ITS_END:
        return "the broken system did not break"
    for number, (one, other) in enumerate(zip(simulated.steps, happened.steps, strict=False), start=1):
        if one != other:
            return f"step {number}: simulated {one}, real {other}"
    if len(simulated.steps) != len(happened.steps):
        return f"{len(simulated.steps)} steps simulated, {len(happened.steps)} real"
    if simulated.rows != happened.rows:
        return f"the rows that are left: simulated {simulated.rows}, real {happened.rows}"
    return None

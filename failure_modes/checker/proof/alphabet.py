"""The actions of a proof in a fixed order, and what each of them spends of its bounds."""

from typing import Any

from failure_modes.checker.experiment.bounds import KIND_OF, KINDS, Bounds, Spent
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind
from failure_modes.checker.experiment.strategy import clock_skews
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot, in_transaction
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.programs import can
from model.actions import (
    ACTIONS,
    COMMITS_MAX,
    PRODUCER,
    Action,
    ClockBack,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
    actor_of,
    thread_of,
)

ACTIONS_MAX = 256
"""The most different actions of one proof: a trace has a byte for each."""


class Alphabet:
    """The actions of a scope in a fixed order, and what each of them spends."""

    def __init__(self, scope: Scope, bounds: Bounds) -> None:
        self.names = scope.process_names
        self._most = {kind: getattr(bounds, kind) for kind in KINDS}
        self.actions: tuple[Action, ...] = (
            *[Step(worker=name) for name in self.names],
            *[Enqueue(key=f"k{number}") for number in range(1, bounds.jobs + 1)],
            *[Enqueue(key=f"p{number}", poison=True) for number in range(1, bounds.poisons + 1)],
            *[Tick(seconds=seconds) for seconds in scope.tick_seconds],
            *[Crash(worker=name) for name in self.names if name not in scope.thread_names],
            *[Fail(worker=name) for name in scope.names],
            *[Heartbeat(worker=name) for name in scope.names],
            *[Reconcile(process=name) for name in scope.reconciler_names],
            PowerLoss(),
            *_lost_replies(scope, bounds),
            *([ThreadHeartbeat(worker=name) for name in scope.names] if bounds.thread_heartbeats else []),
            *([Rollback(commits=most + 1) for most in range(COMMITS_MAX)] if bounds.rollbacks else []),
            *([ClockBack(seconds=seconds) for seconds in scope.tick_seconds] if bounds.clock_backs else []),
            *([Release(worker=name) for name in scope.names] if bounds.releases else []),
            *([Hang(worker=name) for name in scope.names] if bounds.hangs else []),
            *([TimeOut(worker=name) for name in scope.names] if bounds.time_outs else []),
            *(clock_skews(scope, scope.names) if bounds.clock_skews else []),
        )
        if bounds.clock_skews and scope.store is StoreKind.SQLITE:
            raise ValueError("one clock can only differ on postgresql: on sqlite all processes share one")
        if bounds.rollbacks and not scope.rollback:
            raise ValueError("the store can only be set back in a scope in which earlier rows are kept")
        at_statements = scope.granularity is Granularity.STATEMENT
        if bounds.rollbacks and scope.store is StoreKind.POSTGRESQL and at_statements:
            raise ValueError("a proof with rollbacks on postgresql is at granularity transaction")
        if bounds.power_losses and not scope.power_loss:
            raise ValueError("power can only be lost in a scope in which the disk is watched")
        if bounds.thread_heartbeats and not scope.threads:
            raise ValueError("a second thread can only send heartbeats in a scope with threads")
        self._between = bounds.rollbacks + bounds.clock_backs > 0
        """True if an action happens between transactions only."""
        self._calls_gateway = scope.settings.external
        if len(self.actions) > ACTIONS_MAX:
            raise ValueError(f"{len(self.actions)} different actions, and {ACTIONS_MAX} are the most")
        self._possible: dict[tuple[Any, ...], tuple[tuple[Action, Spent], ...]] = {}
        self.index = {action: number for number, action in enumerate(self.actions)}

    def possible(
        self, processes: tuple[ProcessSnapshot, ...], spent: Spent
    ) -> tuple[tuple[Action, Spent], ...]:
        """Each action that can happen where the processes are, with what is spent after it.

        It depends on the boundaries of the processes and on what is spent, so most calls were made before.
        """
        key = (
            spent,
            self._between and in_transaction(processes),
            *[(process.at, process.at_rest, process.waits, process.pending is None) for process in processes],
        )
        known = self._possible.get(key)
        if known is None:
            known = self._possible[key] = self._possible_now(processes, spent)
        return known

    def _possible_now(
        self, processes: tuple[ProcessSnapshot, ...], spent: Spent
    ) -> tuple[tuple[Action, Spent], ...]:
        found = []
        for action in self.actions:
            kinds = self.kinds(action, spent)
            if kinds is None or any(spent[KINDS.index(kind)] >= self._most[kind] for kind in kinds):
                continue
            name = actor_of(action)
            if name is not None and not self._can(name, action, processes):
                continue
            if self._is_call(action, processes):
                continue
            if isinstance(action, Rollback | ClockBack) and in_transaction(processes):
                continue
            found.append((action, _spend(spent, kinds)))
        return tuple(found)

    def _can(self, name: str, action: Action, processes: tuple[ProcessSnapshot, ...]) -> bool:
        if isinstance(action, ThreadHeartbeat):
            name = action.worker
        thread = thread_of(name)
        place = processes[self.names.index(thread)] if thread in self.names else None
        return can(name, processes[self.names.index(name)], action, place)

    def _is_call(self, action: Action, processes: tuple[ProcessSnapshot, ...]) -> bool:
        """True if the reply that is lost would be the gateway's: its call has no COMMIT."""
        if not isinstance(action, LostReply) or action.of != "Step" or not self._calls_gateway:
            return False
        return processes[self.names.index(action.worker)].at is PausePoint.HANDLER

    def kinds(self, action: Action, spent: Spent) -> tuple[str, ...] | None:
        """The bounds that the action spends of; None if an earlier key comes first."""
        match action:
            case Enqueue():
                kind = "poisons" if action.poison else "jobs"
                next_number = spent[KINDS.index(kind)] + 1
                number = int(action.key[1:])
                if number > next_number:
                    return None
                return (kind,) if number == next_number else ("retries",)
            case LostReply():
                kinds = self.kinds(action.action, spent)
                return None if kinds is None else (*kinds, "lost_replies")
            case _:
                return _SPENDS[type(action)]


_SPENDS: dict[type[Action], tuple[str, ...]] = {
    kind: (KIND_OF[kind.__name__],) if kind.__name__ in KIND_OF else () for kind in ACTIONS
}
"""The bound of each action that has one alone; a step has none."""


def _lost_replies(scope: Scope, bounds: Bounds) -> list[Action]:
    """The losses of a reply. Where no producer asks again, a lost reply to an enqueue changes nothing."""
    if not bounds.lost_replies:
        return []
    of_workers = {
        "Step": True,
        "Heartbeat": bounds.heartbeats,
        "Fail": bounds.failures,
        "TimeOut": bounds.time_outs,
        "Release": bounds.releases,
    }
    lost = [LostReply(worker=name, of=of) for of, may in of_workers.items() if may for name in scope.names]
    if bounds.thread_heartbeats:
        lost += [LostReply(worker=name) for name in scope.thread_names]
    if bounds.retries:
        keys = [f"k{number}" for number in range(1, bounds.jobs + 1)]
        lost += [LostReply(worker=PRODUCER, of="Enqueue", key=key) for key in keys]
    if bounds.reconciles:
        lost += [LostReply(worker=name, of="Reconcile") for name in scope.reconciler_names]
    return [*lost]


def _spend(spent: Spent, kinds: tuple[str, ...]) -> Spent:
    if not kinds:
        return spent
    return tuple([number + (kind in kinds) for kind, number in zip(KINDS, spent, strict=True)])

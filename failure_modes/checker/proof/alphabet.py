"""The actions of a proof in a fixed order, and what each of them spends of its bounds."""

from typing import Any

from failure_modes.checker.experiment.bounds import KINDS, Bounds, Spent
from failure_modes.checker.experiment.scope import Scope, StoreKind
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.programs import can
from model.actions import (
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Step,
    ThreadHeartbeat,
    Tick,
    actor_of,
    thread_of,
)

ACTIONS_MAX = 256
"""The most different actions of one proof: a trace has a byte for each."""


class Alphabet:
    """The actions of a scope in a fixed order, and what each of them spends."""

    def __init__(self, scope: Scope, bounds: Bounds) -> None:
        self.names = scope.process_names
        self._bounds = bounds
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
            *([LostReply(worker=name) for name in scope.names] if bounds.lost_replies else []),
            *([ThreadHeartbeat(worker=name) for name in scope.names] if bounds.thread_heartbeats else []),
        )
        if bounds.power_losses and not scope.power_loss:
            raise ValueError("power can only be lost in a scope in which the disk is watched")
        if bounds.lost_replies and scope.store is StoreKind.POSTGRESQL:
            raise ValueError("a reply can only be lost on SQLite")
        if bounds.thread_heartbeats and not scope.threads:
            raise ValueError("a second thread can only send heartbeats in a scope with threads")
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
            kind = self.kind(action, spent)
            if kind is None or (kind and spent[KINDS.index(kind)] >= getattr(self._bounds, kind)):
                continue
            name = actor_of(action)
            if name is not None and not self._can(name, action, processes):
                continue
            if self._is_call(action, processes):
                continue
            found.append((action, _spend(spent, kind)))
        return tuple(found)

    def _can(self, name: str, action: Action, processes: tuple[ProcessSnapshot, ...]) -> bool:
        if isinstance(action, ThreadHeartbeat):
            name = action.worker
        thread = thread_of(name)
        place = processes[self.names.index(thread)] if thread in self.names else None
        return can(name, processes[self.names.index(name)], action, place)

    def _is_call(self, action: Action, processes: tuple[ProcessSnapshot, ...]) -> bool:
        """True if the reply that is lost would be the gateway's: its call has no COMMIT."""
        if not isinstance(action, LostReply) or not self._calls_gateway:
            return False
        return processes[self.names.index(action.worker)].at is PausePoint.HANDLER

    def kind(self, action: Action, spent: Spent) -> str | None:
        """The bound that the action spends of; empty for none, and None if an earlier key comes first."""
        match action:
            case Enqueue():
                kind = "poisons" if action.poison else "jobs"
                next_number = spent[KINDS.index(kind)] + 1
                number = int(action.key[1:])
                if number > next_number:
                    return None
                return kind if number == next_number else "retries"
            case _:
                return _SPENDS[type(action)]


_SPENDS: dict[type[Action], str] = {
    Step: "",
    Tick: "ticks",
    Crash: "crashes",
    Fail: "failures",
    Heartbeat: "heartbeats",
    Reconcile: "reconciles",
    PowerLoss: "power_losses",
    LostReply: "lost_replies",
    ThreadHeartbeat: "thread_heartbeats",
}


def _spend(spent: Spent, kind: str) -> Spent:
    if not kind:
        return spent
    at = KINDS.index(kind)
    return (*spent[:at], spent[at] + 1, *spent[at + 1 :])

"""Canonical names: two traces that differ only in the names of processes and keys are one trace."""

from collections.abc import Sequence

from attrs import evolve

from failure_modes.checker.experiment.scope import PROCESS_OF, WORKER_NAMES
from model.actions import (
    RECONCILERS,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    LostReply,
    Reconcile,
    Release,
    Step,
    ThreadHeartbeat,
    thread_of,
)


def canonical(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Rename workers, reconcilers and keys in the order in which they first appear."""
    workers: dict[str, str] = {}
    reconcilers: dict[str, str] = {}
    keys: dict[str, str] = {}
    renamed: list[Action] = []
    for action in actions:
        if isinstance(action, Enqueue):
            prefix = "p" if action.poison else "k"
            number = 1 + sum(new.startswith(prefix) for new in keys.values())
            renamed.append(evolve(action, key=keys.setdefault(action.key, f"{prefix}{number}")))
        elif (
            isinstance(action, Step | Fail | Heartbeat | LostReply | ThreadHeartbeat | Release | Crash)
            and action.worker in WORKER_NAMES
        ):
            new = _new_name(workers, action.worker, WORKER_NAMES)
            renamed.append(type(action)(worker=new))
        elif isinstance(action, Step) and (worker := PROCESS_OF.get(action.worker)) is not None:
            new = _new_name(workers, worker, WORKER_NAMES)
            renamed.append(Step(worker=thread_of(new)))
        elif isinstance(action, Reconcile):
            name = _new_name(reconcilers, action.process, RECONCILERS)
            renamed.append(Reconcile(process=name))
        elif isinstance(action, Step | Crash) and action.worker in RECONCILERS:
            name = _new_name(reconcilers, action.worker, RECONCILERS)
            renamed.append(type(action)(worker=name))
        else:
            renamed.append(action)
    return tuple(renamed)


def _new_name(known: dict[str, str], name: str, names: Sequence[str]) -> str:
    """The new name of `name`: the next one of `names` if it has none yet."""
    if name not in known:
        known[name] = names[len(known)]
    return known[name]

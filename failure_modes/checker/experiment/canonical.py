"""Canonical names: two traces that differ only in the names of processes and keys are one trace."""

from collections.abc import Sequence

from attrs import evolve

from failure_modes.checker.experiment.scope import PROCESS_OF, WORKER_NAMES
from model.actions import (
    OF_WORKERS,
    RECONCILERS,
    Action,
    Crash,
    Enqueue,
    LostReply,
    Reconcile,
    Step,
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
            renamed.append(evolve(action, key=_new_key(keys, action.key, poison=action.poison)))
        elif isinstance(action, LostReply) and action.key is not None:
            renamed.append(evolve(action, key=_new_key(keys, action.key, poison=False)))
        elif isinstance(action, OF_WORKERS) and action.worker in WORKER_NAMES:
            renamed.append(evolve(action, worker=_new_name(workers, action.worker, WORKER_NAMES)))
        elif isinstance(action, Step | LostReply) and (worker := PROCESS_OF.get(action.worker)) is not None:
            new = _new_name(workers, worker, WORKER_NAMES)
            renamed.append(evolve(action, worker=thread_of(new)))
        elif isinstance(action, Reconcile):
            name = _new_name(reconcilers, action.process, RECONCILERS)
            renamed.append(Reconcile(process=name))
        elif isinstance(action, Step | Crash | LostReply) and action.worker in RECONCILERS:
            renamed.append(evolve(action, worker=_new_name(reconcilers, action.worker, RECONCILERS)))
        else:
            renamed.append(action)
    return tuple(renamed)


def _new_key(known: dict[str, str], key: str, *, poison: bool) -> str:
    """The new name of a key: the next one of its kind if it has none yet."""
    prefix = "p" if poison else "k"
    number = 1 + sum(new.startswith(prefix) for new in known.values())
    return known.setdefault(key, f"{prefix}{number}")


def _new_name(known: dict[str, str], name: str, names: Sequence[str]) -> str:
    """The new name of `name`: the next one of `names` if it has none yet."""
    if name not in known:
        known[name] = names[len(known)]
    return known[name]

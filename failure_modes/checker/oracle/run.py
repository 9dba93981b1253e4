"""A run, as far as searches, minimising and replays need to know it.

`Lockstep` is such a run: our queue beside its model. A subject without a model has a run of its own, which
judges what its processes did by invariants alone.
"""

from typing import Protocol

from attrs import frozen

from failure_modes.checker.experiment.findings import Found
from model.actions import Action


class Run(Protocol):
    """One run from its start. `apply` and `finish` raise Found as soon as an oracle finds something."""

    @property
    def over(self) -> bool:
        """True if the run has nothing more to show."""
        ...

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        ...

    def apply(self, action: Action) -> object:
        """Take one action, and judge what it did."""
        ...

    def is_choice_point(self, action: Action) -> bool:
        """True if a schedule has something to choose, now that the action was taken."""
        ...

    def finish(self) -> None:
        """Recover, schedule fairly until nothing changes, and judge what is left."""
        ...

    def close(self) -> None:
        """Let go of the world."""
        ...


@frozen(kw_only=True)
class Played:
    """What some actions led to. `skipped` are those that could not happen."""

    found: Found | None
    skipped: tuple[Action, ...]


def play(run: Run, actions: tuple[Action, ...], *, ending: bool, stops_when_over: bool = False) -> Played:
    """Take the actions as `take_all` does, and close the run."""
    try:
        return take_all(run, actions, ending=ending, stops_when_over=stops_when_over)
    finally:
        run.close()


def take_all(run: Run, actions: tuple[Action, ...], *, ending: bool, stops_when_over: bool = False) -> Played:
    """Take the actions from the start, leaving out what cannot happen.

    `ending`: the run is finished and judged at its end, unless it is over.
    """
    skipped: list[Action] = []
    found: Found | None = None
    try:
        for action in actions:
            if not run.possible(action):
                skipped.append(action)
                continue
            run.apply(action)
            if stops_when_over and run.over:
                break
        if ending and not run.over:
            run.finish()
    except Found as error:
        found = error
    return Played(found=found, skipped=tuple(skipped))

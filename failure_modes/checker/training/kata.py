"""A kata as a value, and the katas of all failure modes.

A failure mode has a kata if its folder has a `kata.py`. The broken policy is not in that file: it is read
from the fault in `scenario.py`, so nothing is said twice.
"""

import importlib

from attrs import fields, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.support.errors import ScenarioError
from failure_modes.checker.training.stand_in import policies_replaced


class BadKata(ScenarioError):
    """A `kata.py` cannot be used. The message has its path and the reason."""


@frozen(kw_only=True)
class Kata:
    """The data of a kata. Each text is one paragraph of plain sentences.

    `order` puts the katas in a row, from easy to hard. `question` and `place` are the first two hints; the
    third one is the name of the policy, which the scenario has. `requirement` says what the policy must do,
    for a learner who writes it from nothing. `also` are more scopes and bounds in which nothing may break: in
    them a policy that is wrong in another way shows itself.
    """

    order: int
    story: str
    in_public: str
    question: str
    place: str
    requirement: str
    also: tuple[tuple[Scope, Bounds], ...] = ()
    facts: tuple[str, ...] = ()
    """Names of values in the learner's file that the learner may not change: facts of the story."""


@frozen(kw_only=True)
class ModeKata:
    """A failure mode and its kata."""

    mode: FailureMode
    kata: Kata

    @property
    def id(self) -> str:
        """The id of the failure mode."""
        return self.mode.id

    @property
    def slot(self) -> str:
        """The name of the broken policy in `Policies`."""
        return policies_replaced(self.mode)[0]


def katas() -> tuple[ModeKata, ...]:
    """The kata of each failure mode that has one, from easy to hard. Raises BadKata."""
    found = [one for mode in catalogue() if (one := _kata_of(mode)) is not None]
    return tuple(sorted(found, key=lambda one: (one.kata.order, one.id)))


def _kata_of(mode: FailureMode) -> ModeKata | None:
    path = mode.folder / "kata.py"
    if not path.is_file():
        return None
    try:
        kata = importlib.import_module(f"failure_modes.{mode.folder.name}.kata").KATA
    except Exception as error:
        raise BadKata(f"{path}: {type(error).__name__}: {error}") from error
    if not isinstance(kata, Kata):
        raise BadKata(f"{path}: KATA is not a Kata")
    if len(policies_replaced(mode)) != 1:
        raise BadKata(
            f"{path}: the fault in scenario.py must replace one policy, and replaces another number"
        )
    empty = [one.name for one in fields(Kata) if getattr(kata, one.name) == ""]
    if empty:
        raise BadKata(f"{path}: {', '.join(empty)} has no text")
    return ModeKata(mode=mode, kata=kata)

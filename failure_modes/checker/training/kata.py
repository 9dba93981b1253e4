"""A kata as a value, and the katas of all failure modes.

A failure mode has a kata if its folder has a `kata.py`. The broken policy is read from the fault in
`scenario.py`. If that fault calls the right policy, then `kata.py` has the broken policy as a whole: a class
without methods must not be right.
"""

import importlib

from attrs import fields, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.support.errors import ScenarioError
from failure_modes.checker.training.stand_in import classes_of, policies_replaced

NO_PUBLIC_REPORT = "no public report is known to us."
"""What `in_public` says if nobody has reported such a failure in public."""

_NO_KATA_YET = "its folder has no kata.py"


class BadKata(ScenarioError):
    """A `kata.py` cannot be used. The message has its path and the reason."""


@frozen(kw_only=True)
class Kata:
    """The data of a kata. Each text is one paragraph of plain sentences.

    `order` puts the katas in a row, from easy to hard. `in_public` says in one sentence where and when this
    has happened, and `address` is that of the report. `question` and `place` are the first two hints; the
    third one is the name of the policy, which the scenario has. `requirement` says what the policy must do,
    for a learner who writes it from nothing. `also` are more scopes and bounds in which nothing may break: in
    them a policy that is wrong in another way shows itself.
    """

    order: int
    story: str
    in_public: str
    address: str | None
    """The address of the public report; None if `in_public` is NO_PUBLIC_REPORT."""
    question: str
    place: str
    requirement: str
    also: tuple[tuple[Scope, Bounds], ...] = ()
    facts: tuple[str, ...] = ()
    """Names of values in the learner's file that the learner may not change: facts of the story."""
    policy: type | None = None
    """The broken policy as a whole, for a fault that calls the right one; None if the fault does not."""


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

    @property
    def broken(self) -> type:
        """The class of the broken policy that the learner gets."""
        return self.kata.policy or classes_of(self.mode)[0]


def katas() -> tuple[ModeKata, ...]:
    """The kata of each failure mode that has one, from easy to hard. Raises BadKata."""
    found = [one for mode in catalogue() if (one := _kata_of(mode)) is not None]
    return tuple(sorted(found, key=lambda one: (one.kata.order, one.id)))


def modes_without_kata() -> dict[str, str]:
    """The failure modes that have no kata, by id and title, each with the reason."""
    without = [mode for mode in catalogue() if _kata_of(mode) is None]
    return {f"{mode.id} {mode.title}": _why_no_kata(mode) for mode in without}


def _why_no_kata(mode: FailureMode) -> str:
    """A kata is one policy. The reason is read from the fault."""
    replaced = policies_replaced(mode)
    if not replaced:
        return f"its fault is in the {mode.policy}, and in no policy"
    if len(replaced) > 1:
        return f"its fault replaces {len(replaced)} policies at once: {', '.join(replaced)}"
    return _NO_KATA_YET


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
    if (kata.address is None) != (kata.in_public == NO_PUBLIC_REPORT):
        raise BadKata(f"{path}: in_public needs the address of its report, or must be NO_PUBLIC_REPORT")
    return ModeKata(mode=mode, kata=kata)

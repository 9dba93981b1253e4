"""Findings of the oracles. A finding is data; the package `report` makes the text."""

from attrs import frozen

from model.actions import Action


@frozen(kw_only=True)
class Finding:
    """One result of an oracle. `invariant` is None for a divergence; `step` is None in the liveness run."""

    invariant: str | None
    step: int | None
    expected: str
    got: str


class Found(Exception):
    """A run found a divergence or a violation. The exception has the finding and the actions of the run."""

    def __init__(self, finding: Finding, actions: tuple[Action, ...]) -> None:
        super().__init__(f"{finding.invariant or 'divergence'}: {finding.got}")
        self.finding = finding
        self.actions = actions


class Divergence(Found):
    """The system and the model differ."""


class Violation(Found):
    """The behaviour of the system breaks an invariant."""

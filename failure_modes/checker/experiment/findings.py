"""What the oracles find. A finding and its actions are data; text is made of them where people read it."""

from attrs import frozen

from model.actions import Action


@frozen(kw_only=True)
class Finding:
    """What an oracle found. `invariant` is None for a divergence; `step` is None in the liveness run."""

    invariant: str | None
    step: int | None
    expected: str
    got: str


class Found(Exception):
    """A run found something wrong. Carries the finding and the actions; the text is only for people."""

    def __init__(self, finding: Finding, actions: tuple[Action, ...]) -> None:
        super().__init__(f"{finding.invariant or 'divergence'}: {finding.got}")
        self.finding = finding
        self.actions = actions


class Divergence(Found):
    """The system and the model differ."""


class Violation(Found):
    """An invariant does not hold on what the system did."""

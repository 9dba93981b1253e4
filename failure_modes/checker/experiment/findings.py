"""What the oracles find, and how a run says so: with the finding and the actions as data, not as text."""

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
    """The run is broken. Carries the finding and the actions as data; the text is only for people."""

    def __init__(self, finding: Finding, actions: tuple[Action, ...]) -> None:
        super().__init__(f"{finding.invariant or 'divergence'}: {finding.got}")
        self.finding = finding
        self.actions = actions


class Divergence(Found):
    """The system is not where the model is."""


class Violation(Found):
    """An invariant does not hold on what the system did."""

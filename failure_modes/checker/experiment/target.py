"""What a run is after: one invariant; and which others may break on the way there."""

from attrs import frozen

from model.invariants import INVARIANTS

_KNOWN = tuple([rule.id for rule in INVARIANTS])
_NEVER_PAST = {"INV_005": ("INV_003",)}
"""Which invariants cannot be gone past by a hunt for another: what it is judged by would be gone."""


@frozen
class Hunt:
    """The invariant to break. Those `past` may break before it; any other that does ends the run.

    Raises ValueError for what is no invariant; for one that is hunted and gone past; and for INV_005 past
    INV_003, by which the faults that an ending is asked for are kept few (`model.invariants.condensed`).
    """

    invariant: str
    past: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        for named in (self.invariant, *self.past):
            if named not in _KNOWN:
                raise ValueError(f"there is no invariant {named!r}; there are {', '.join(_KNOWN)}")
        if self.invariant in self.past:
            raise ValueError(f"{self.invariant} is hunted, so it is not gone past")
        for named in _NEVER_PAST.get(self.invariant, ()):
            if named in self.past:
                raise ValueError(
                    f"{self.invariant} cannot be hunted past {named}: what it rests on would be gone"
                )

    def __str__(self) -> str:
        return self.invariant


def past_others(invariant: str) -> Hunt:
    """The hunt for it in which whatever else can be gone past may break before."""
    never = (invariant, *_NEVER_PAST.get(invariant, ()))
    return Hunt(invariant, tuple([other for other in _KNOWN if other not in never]))


def needs_ending(hunted: Hunt | None) -> bool:
    """Whether an example must be run to its end.

    Only there can INV_004 and INV_005 be judged. INV_006 is judged on each change, and recovery makes some.
    """
    return hunted is None or hunted.invariant in ("INV_004", "INV_005", "INV_006")

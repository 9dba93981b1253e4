"""What a run is after: one invariant; and which others may break on the way there."""

from attrs import field, frozen

from model.invariants import INVARIANTS

_KNOWN = tuple([rule.id for rule in INVARIANTS])


@frozen
class Hunt:
    """The invariant to break. Those `past` may break before it; any other that does ends the run.

    Raises ValueError for what is no invariant; for one that is hunted and gone past; and for INV_005 past
    INV_003, by which the faults that an ending is asked for are kept few (`model.invariants.condensed`).
    """

    invariant: str
    past: tuple[str, ...] = field(default=())

    def __attrs_post_init__(self) -> None:
        for named in (self.invariant, *self.past):
            if named not in _KNOWN:
                raise ValueError(f"there is no invariant {named!r}; there are {', '.join(_KNOWN)}")
        if self.invariant in self.past:
            raise ValueError(f"{self.invariant} is hunted, so it is not gone past")
        if self.invariant == "INV_005" and "INV_003" in self.past:
            raise ValueError("INV_005 cannot be hunted past INV_003: what it rests on would be gone")

    def __str__(self) -> str:
        return self.invariant


def needs_ending(hunted: Hunt | None) -> bool:
    """Whether an example must be run to its end: only then can INV_004 and INV_005 be judged."""
    return hunted is None or hunted.invariant in ("INV_004", "INV_005")

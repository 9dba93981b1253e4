"""The target of a run: the invariant that it is to break, or a divergence; and what may break before it."""

from attrs import frozen

from model.invariants import INVARIANTS

_KNOWN = tuple([rule.id for rule in INVARIANTS])
_NEVER_TOLERATED = {"INV_005": ("INV_003",)}
"""By target, the invariants that must hold on the way: the target is judged by what they promise."""


@frozen
class Target:
    """The invariant to break. Those it `tolerates` may break before; any other that does ends the run.

    An `invariant` of None stands for a divergence from the model: see `DIVERGENCE`.

    Raises ValueError for an unknown invariant; for a target that tolerates itself; and for INV_005 where it
    tolerates INV_003, which keeps the faults of an ending few (`model.invariants.condensed`).
    """

    invariant: str | None
    tolerates: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        for named in filter(None, (self.invariant, *self.tolerates)):
            if named not in _KNOWN:
                raise ValueError(f"there is no invariant {named!r}; there are {', '.join(_KNOWN)}")
        if self.invariant in self.tolerates:
            raise ValueError(f"{self.invariant} is the target, and a target does not tolerate itself")
        for named in _NEVER_TOLERATED.get(self.invariant or "", ()):
            if named in self.tolerates:
                raise ValueError(
                    f"{self.invariant} cannot tolerate {named}: what it is judged by would be gone"
                )

    def __str__(self) -> str:
        return self.invariant or "a divergence"


DIVERGENCE = Target(None, _KNOWN)
"""The first divergence from the model, whatever invariants break before it."""


def tolerating_others(invariant: str) -> Target:
    """The target that tolerates every other invariant that it can."""
    never = (invariant, *_NEVER_TOLERATED.get(invariant, ()))
    return Target(invariant, tuple([other for other in _KNOWN if other not in never]))


def needs_ending(target: Target | None) -> bool:
    """Whether an example must be run to its end.

    Only there can INV_004 and INV_005 be judged. INV_006 is judged on each change, and recovery makes some. A
    divergence may happen anywhere.
    """
    return target is None or target.invariant in (None, "INV_004", "INV_005", "INV_006")

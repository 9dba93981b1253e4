"""The target of a search: an invariant, any invariant, or a divergence; and what may break before it."""

from attrs import frozen

from model.invariants import INVARIANTS

_KNOWN = tuple([rule.id for rule in INVARIANTS])
_NEVER_TOLERATED = {"INV_005": ("INV_003",)}
"""For a target, the invariants that it may not tolerate, because its check relies on them."""


@frozen
class Target:
    """The invariant to break. The run goes on if an invariant in `tolerates` breaks; any other break ends it.

    An `invariant` of None stands for a divergence from the model, see `DIVERGENCE`, or for the first
    invariant that breaks, see `ANY_INVARIANT`.

    Raises ValueError if an invariant is unknown, if the target tolerates itself, or if INV_005 tolerates
    INV_003: the check of INV_005 relies on INV_003 (`model.invariants.condensed`).
    """

    invariant: str | None
    tolerates: tuple[str, ...] = ()
    is_any_invariant: bool = False

    def __attrs_post_init__(self) -> None:
        for named in filter(None, (self.invariant, *self.tolerates)):
            if named not in _KNOWN:
                raise ValueError(f"there is no invariant {named!r}; there are {', '.join(_KNOWN)}")
        if self.invariant in self.tolerates:
            raise ValueError(f"{self.invariant} is the target, and a target does not tolerate itself")
        for named in _NEVER_TOLERATED.get(self.invariant or "", ()):
            if named in self.tolerates:
                raise ValueError(
                    f"{self.invariant} cannot tolerate {named}, because its check relies on {named}"
                )

    def __str__(self) -> str:
        return self.invariant or ("an invariant" if self.is_any_invariant else "a divergence")

    @property
    def is_divergence(self) -> bool:
        """True if the run looks for a divergence."""
        return self.invariant is None and not self.is_any_invariant


DIVERGENCE = Target(None, _KNOWN)
"""The first divergence from the model, whatever invariants break before it."""

ANY_INVARIANT = Target(None, is_any_invariant=True)
"""The first invariant that breaks, wherever the system diverges from the model."""


def tolerating_others(invariant: str) -> Target:
    """The target that tolerates every invariant that it may tolerate."""
    never = (invariant, *_NEVER_TOLERATED.get(invariant, ()))
    return Target(invariant, tuple([other for other in _KNOWN if other not in never]))


def needs_ending(target: Target | None) -> bool:
    """True if an example must have its liveness run.

    INV_004 and INV_005 are judged only at the end. INV_006 is judged on each change, and the liveness run
    makes changes. A divergence may happen in any change.
    """
    return target is None or target.invariant in (None, "INV_004", "INV_005", "INV_006")

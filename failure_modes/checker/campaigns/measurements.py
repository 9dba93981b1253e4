"""What was measured of a failure mode: its searches with several seeds, and how long its session took.

It is kept, because it takes minutes, in the folder of the failure mode, and shown in the index. The searches
are made from the seeds alone, so each who makes them again gets the same.
"""

from collections.abc import Mapping
from pathlib import Path

from attrs import asdict, evolve, field, frozen

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.support.atomic_files import Damaged, read_lines, write_lines

FILE = "measured.json"
_SECONDS = "session_seconds"


@frozen(kw_only=True)
class SeedResults:
    """The searches for one invariant, with the seeds from 0 on."""

    seeds: int
    found: int
    """Searches that found the break."""
    lengths: tuple[int, ...]
    """The lengths that their traces shrank to."""
    first: int
    last: int
    """The examples by which they found it: the fewest, and the most."""

    def ends_at(self, shortest: int) -> bool:
        """Whether each search found it, and ended at a trace as short as any."""
        return self.found == self.seeds and self.lengths == (shortest,)

    @property
    def description(self) -> str:
        """In words."""
        return f"{self.found} of {self.seeds}, by example {self.first} to {self.last}"


@frozen(kw_only=True)
class Measurements:
    """All that was measured of one failure mode. What was not measured yet is not there."""

    session_seconds: float | None = None
    searched: Mapping[str, SeedResults] = field(factory=dict)
    """By the invariant that was searched for."""

    def with_searched(self, invariant: str, searched: SeedResults) -> "Measurements":
        """The same with these searches in the place of earlier ones."""
        return evolve(self, searched={**self.searched, invariant: searched})


def file_of(mode: FailureMode) -> Path:
    """Where it is kept."""
    return mode.folder / FILE


def measurements_of(mode: FailureMode) -> Measurements:
    """What is kept of a failure mode. Raises Damaged, OSError."""
    path = file_of(mode)
    kept = read_lines(path)
    seconds = kept.pop(_SECONDS, None)
    if not isinstance(seconds, int | float | None):
        raise Damaged(path)
    try:
        searched = {
            key: SeedResults(**{**one, "lengths": tuple(one["lengths"])}) for key, one in kept.items()
        }
    except (KeyError, TypeError):
        raise Damaged(path) from None
    return Measurements(session_seconds=seconds, searched=searched)


def keep(mode: FailureMode, known: Measurements) -> None:
    """Write it to the folder; whole or not at all. An invariant that is no longer broken is left out."""
    lines: dict[str, object] = {}
    if known.session_seconds is not None:
        lines[_SECONDS] = known.session_seconds
    lines |= {name: asdict(known.searched[name]) for name in mode.invariants if name in known.searched}
    write_lines(file_of(mode), lines)

"""Measurements of a failure mode: its searches with several seeds, and the time of its session.

They take minutes, so the folder of the failure mode keeps them, and the index shows them. The searches depend
on the seeds alone: the same searches give the same results.
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
    """The results of the searches for one invariant, with the seeds from 0 on."""

    seeds: int
    found: int
    """The number of searches that found the break."""
    lengths: tuple[int, ...]
    """The different lengths of their minimised traces."""
    first: int
    last: int
    """The smallest and the largest number of examples before the break was found."""

    def ends_at(self, shortest: int) -> bool:
        """True if each search found the break, and ended at a trace of that length."""
        return self.found == self.seeds and self.lengths == (shortest,)

    @property
    def description(self) -> str:
        """The results in words."""
        return f"{self.found} of {self.seeds}, by example {self.first} to {self.last}"


@frozen(kw_only=True)
class Measurements:
    """The measurements of one failure mode. A value that was not measured is absent."""

    session_seconds: float | None = None
    searched: Mapping[str, SeedResults] = field(factory=dict)
    """The searches, by their target."""

    def with_searched(self, invariant: str, searched: SeedResults) -> "Measurements":
        """The measurements with these searches for that invariant."""
        return evolve(self, searched={**self.searched, invariant: searched})


def file_of(mode: FailureMode) -> Path:
    """The file of the measurements."""
    return mode.folder / FILE


def measurements_of(mode: FailureMode) -> Measurements:
    """The kept measurements of a failure mode. Raises Damaged, OSError."""
    path = file_of(mode)
    kept = read_lines(path)
    seconds = kept.pop(_SECONDS, None)
    if not isinstance(seconds, int | float | None):
        raise Damaged(path)
    try:
        searched = {
            key: SeedResults(**{**value, "lengths": tuple(value["lengths"])}) for key, value in kept.items()
        }
    except (KeyError, TypeError):
        raise Damaged(path) from None
    return Measurements(session_seconds=seconds, searched=searched)


def keep(mode: FailureMode, known: Measurements) -> None:
    """Write the measurements, atomically. An invariant that the failure mode no longer breaks is left out."""
    lines: dict[str, object] = {}
    if known.session_seconds is not None:
        lines[_SECONDS] = known.session_seconds
    lines |= {name: asdict(known.searched[name]) for name in mode.invariants if name in known.searched}
    write_lines(file_of(mode), lines)

"""What the searches of each failure mode came to, with several seeds: kept for the index.

Kept, because they take a quarter of an hour; made from the seeds alone, so that whoever makes them again gets
the same.
"""

from collections.abc import Callable

from attrs import asdict, frozen

from failure_modes.checker.experiment.catalogue import FOLDER, FailureMode
from failure_modes.checker.search import uninterrupted
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.support.atomic_files import Damaged, read_lines, write_lines

FILE = FOLDER / "seeds.json"


@frozen(kw_only=True)
class Searched:
    """The searches of one failure mode, with the seeds from 0 on."""

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
    def told(self) -> str:
        """In words."""
        return f"{self.found} of {self.seeds}, by example {self.first} to {self.last}"


def key_of(mode: FailureMode) -> str:
    """What its searches are kept under: it may break more than one invariant."""
    return f"{mode.id} {mode.breaks}"


def search(mode: FailureMode, seeds: int, say: Callable[[str], None]) -> Searched:
    """Search the broken system with so many seeds. Raises KeyboardInterrupt."""
    lengths, examples = [], []
    for seed in range(seeds):
        say(f"{key_of(mode)}: seed {seed}")
        result = uninterrupted.search(search_of(mode, seed, broken=True))
        if result.finding is not None:
            lengths.append(len(result.actions))
            examples.append(result.tally.examples_to_first or 0)
    return Searched(
        seeds=seeds,
        found=len(lengths),
        lengths=tuple(sorted(set(lengths))),
        first=min(examples, default=0),
        last=max(examples, default=0),
    )


def searched() -> dict[str, Searched]:
    """What is kept, by `key_of` the failure mode. Raises Damaged, OSError."""
    try:
        kept = read_lines(FILE).items()
        return {key: Searched(**{**one, "lengths": tuple(one["lengths"])}) for key, one in kept}
    except (KeyError, TypeError):
        raise Damaged(FILE) from None


def keep(known: dict[str, Searched]) -> None:
    """Write them to the file; whole or not at all."""
    write_lines(FILE, {key: asdict(one) for key, one in sorted(known.items())})

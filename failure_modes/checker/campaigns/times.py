"""How long the session of each failure mode took, as it was measured last: kept for the index."""

from failure_modes.checker.experiment.catalogue import FOLDER
from failure_modes.checker.support.atomic_files import Damaged, read_lines, write_lines

FILE = FOLDER / "seconds.json"


def measured() -> dict[str, float]:
    """What is kept, by the id of the failure mode. Raises Damaged, OSError."""
    known = read_lines(FILE)
    if not all(isinstance(seconds, int | float) for seconds in known.values()):
        raise Damaged(FILE)
    return known


def keep(known: dict[str, float]) -> None:
    """Write them to the file; whole or not at all."""
    write_lines(FILE, known)

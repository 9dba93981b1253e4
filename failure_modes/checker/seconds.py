"""How long the session of each failure mode took, as it was measured last: kept for the index."""

import json

from failure_modes.checker.catalogue import FOLDER
from failure_modes.checker.whole import write_lines

FILE = FOLDER / "seconds.json"


def measured() -> dict[str, float]:
    """What is kept, by the id of the failure mode."""
    if not FILE.exists():
        return {}
    known: dict[str, float] = json.loads(FILE.read_text(encoding="utf-8"))
    return known


def keep(known: dict[str, float]) -> None:
    """Write them to the file; whole or not at all."""
    write_lines(FILE, known)

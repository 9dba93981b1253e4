"""The progress of a learner: a small JSON file in their folder, written atomically.

A damaged file is refused and never repaired, so no progress is lost in silence.
"""

import json
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import FileError

FILE = "progress.json"
FORMAT = 1
"""The number of the form. A change that an old reader would misunderstand gets a new number."""


class BadProgress(FileError):
    """The progress file cannot be used. The message has its path, and what to do."""


@frozen(kw_only=True)
class Progress:
    """The ids of the solved exercises, and for each exercise the number of hints that were shown."""

    solved: tuple[str, ...] = ()
    hints: dict[str, int] = field(factory=dict)

    def solving(self, exercise_id: str) -> "Progress":
        """The progress with one more exercise solved."""
        return evolve(self, solved=(*[one for one in self.solved if one != exercise_id], exercise_id))

    def hinting(self, exercise_id: str, number: int) -> "Progress":
        """The progress after that number of hints for an exercise."""
        return evolve(self, hints={**self.hints, exercise_id: number})


def load(folder: Path) -> Progress:
    """The progress in that folder; none yet if there is no file. Raises BadProgress, OSError."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Progress()
    except ValueError:
        raise _damaged(path, "not JSON") from None
    return _progress(path, found)


def save(folder: Path, progress: Progress) -> None:
    """Write the progress, atomically. Raises OSError."""
    values = {"format": FORMAT, "solved": list(progress.solved), "hints": progress.hints}
    write_atomically(folder / FILE, json.dumps(values, indent=2) + "\n")


def _progress(path: Path, found: Any) -> Progress:
    if not isinstance(found, dict):
        raise _damaged(path, "not a JSON object")
    if found.get("format") != FORMAT:
        raise _damaged(path, f"its format is {found.get('format')!r}, and this program reads {FORMAT}")
    solved, hints = found.get("solved"), found.get("hints")
    if not (isinstance(solved, list) and all(isinstance(one, str) for one in solved)):
        raise _damaged(path, "`solved` is not a list of names")
    if not (isinstance(hints, dict) and all(type(number) is int for number in hints.values())):
        raise _damaged(path, "`hints` is not an object of numbers")
    return Progress(solved=tuple(solved), hints=hints)


def _damaged(path: Path, why: str) -> BadProgress:
    return BadProgress(
        f"{path}: damaged: {why}; mend it, or remove it and begin at the first kata: your other files stay"
    )

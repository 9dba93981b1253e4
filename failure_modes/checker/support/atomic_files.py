"""Atomic files: a file is written completely or not at all. Also JSON in such files."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from failure_modes.checker.support.errors import FileError
from failure_modes.checker.support.interrupts import signals_blocked


class Damaged(FileError):
    """A file was changed or cut after it was written. The message names the file and says what to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: damaged; remove the file, or restore it from the repository")


def write_atomically(path: Path, text: str) -> None:
    """Write a file. Its old content stays until the new one is complete. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with signals_blocked():  # a second signal would leave the unfinished file
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def write_lines(path: Path, values: Mapping[str, object]) -> None:
    """Write a JSON object with one line for each key, atomically. Raises OSError."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    write_atomically(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_lines(path: Path) -> dict[str, Any]:
    """The JSON object of a file; an empty one if there is no file. Raises Damaged, OSError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise Damaged(path) from None
    if not isinstance(values, dict):
        raise Damaged(path)
    return values

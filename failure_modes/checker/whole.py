"""Files that are written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write the file; until it is whole, what was there before stays. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_lines(path: Path, values: Mapping[str, object]) -> None:
    """Write a JSON object, a line for each key; whole or not at all. Raises OSError."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    write_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")

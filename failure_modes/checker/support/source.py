"""The source of the project that runs: two processes with the same digest run the same code."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[3]


def source_digest(folders: Iterable[str], more: Iterable[Path] = ()) -> str:
    """A digest of each Python file in these folders of the project, and of `more` files."""
    files = {path for folder in folders for path in (ROOT / folder).rglob("*.py")} | set(more)
    return sha256(b"\0".join([path.read_bytes() for path in sorted(files)])).hexdigest()

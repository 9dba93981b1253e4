"""Images of a disk as files: written for SQLite to open, read through SQLite, and removed."""

import sqlite3
from pathlib import Path

from failure_modes.checker.simulation.content import Content, everything
from failure_modes.checker.simulation.disk.volatile import Image
from failure_modes.checker.simulation.sqlite_stepping import open_sqlite

SUFFIXES = ("", "-wal", "-journal")
_ALL = (*SUFFIXES, "-shm")  # the index of the log in shared memory: a power loss leaves none


def write_files(path: Path, image: Image) -> None:
    """Write the files of the image, and remove all other files of the database."""
    remove_files(path)
    for suffix, content in image.items():
        Path(f"{path}{suffix}").write_bytes(content)


def files_of(path: Path) -> Image:
    """The present files of the database."""
    files = {suffix: Path(f"{path}{suffix}") for suffix in SUFFIXES}
    return {suffix: file.read_bytes() for suffix, file in files.items() if file.exists()}


def remove_files(path: Path) -> None:
    """Remove the files of the database."""
    for suffix in _ALL:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def read_image(path: Path, image: Image) -> Content:
    """Every row of every table that SQLite finds in the image. The files lie at `path` meanwhile.

    Raises DatabaseError if the image is damaged, or no database.
    """
    write_files(path, image)
    try:
        content, damage = complete_content(path)
    finally:
        remove_files(path)
    if content is None:
        raise sqlite3.DatabaseError(damage)
    return content


def complete_content(path: Path) -> tuple[Content | None, str]:
    """Every row of every table of the database; or None and the damage."""
    connection = open_sqlite(path.absolute().as_uri() + "?mode=rw")
    try:
        ((sound,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
        return (everything(connection), "") if sound == "ok" else (None, str(sound))
    except sqlite3.DatabaseError as error:
        return None, str(error)
    finally:
        connection.close()

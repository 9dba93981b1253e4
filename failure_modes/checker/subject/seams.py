"""The seams by name. An adapter names those that its library needs."""

from collections.abc import Callable, Mapping, Sequence

from failure_modes.checker.simulation.seams.files import FilesSeam
from failure_modes.checker.simulation.seams.redis import RedisSeam
from failure_modes.checker.simulation.seams.sqlite import SQLiteSeam
from failure_modes.checker.simulation.seams.stepped import Seam
from failure_modes.checker.simulation.seams.threads import ThreadsSeam
from failure_modes.checker.support.errors import CallerError, NotInstalled


def _psycopg() -> Seam:
    try:
        from failure_modes.checker.simulation.seams.psycopg import PsycopgSeam
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"the seam of psycopg needs {error.name}: pip install 'reliability-habits[judge]'"
        ) from None
    return PsycopgSeam()


SEAMS: Mapping[str, Callable[[], Seam]] = {
    "sqlite": SQLiteSeam,
    "files": FilesSeam,
    "redis": RedisSeam,
    "psycopg": _psycopg,
    "threads": ThreadsSeam,
}
"""The seams. Time and chance have seams in every run."""


def seams_of(names: Sequence[str]) -> tuple[Seam, ...]:
    """The seams of these names. Raises CallerError."""
    for name in names:
        if name not in SEAMS:
            raise CallerError(f"there is no seam {name!r}; known are {', '.join(SEAMS)}")
    return tuple([SEAMS[name]() for name in names])

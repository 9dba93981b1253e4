"""huey: what its consumer does, on SQLite and on files.

A task may be tried twice, the second time by the scheduler.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from huey import FileHuey, SqliteHuey
from huey.utils import Error

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic

SHUTDOWN = (
    "Huey does not guarantee at-least-once delivery of messages, and does not do acknowledgement of "
    "completed tasks. This means that if you terminate the consumer without letting it finish any "
    "currently-executing tasks, those tasks will be lost."
)
SAFE = "huey supports: multi-process, multi-thread or greenlet task execution models"
SCHEDULE = (
    "It's possible, but unlikely, that huey could read from the schedule and be killed before it has time to "
    "enqueue the scheduled tasks"
)
LOCKS = (
    "it utilizes exclusive locks around all file-system operations. This is done to prevent race-conditions "
    "when reading from the file-system."
)
RETRIES = "This task might fail, in which case it will be retried up to 2 times"


class OnSqlite(Adapter):
    """SqliteHuey. Housekeeping is one pass of the scheduler."""

    name = "huey"
    configuration = "SqliteHuey"
    attempts_max = 2
    claims = (
        Claim(topic=Topic.KEEPS_JOBS, promised=False, sentence=SHUTDOWN, where="docs, Consumer shutdown"),
        Claim(
            topic=Topic.KEEPS_WAITING,
            promised=False,
            sentence=SCHEDULE,
            where="maintainer, https://github.com/coleifer/huey/issues/225; compare issue 915",
        ),
        Claim(
            topic=Topic.MULTI_PROCESS,
            promised=True,
            sentence=SAFE,
            where="README",
            configuration="SqliteHuey",
        ),
        Claim(
            topic=Topic.MULTI_PROCESS,
            promised=True,
            sentence=LOCKS,
            where="docstring of FileStorage",
            configuration="FileHuey",
        ),
        Claim(topic=Topic.MAX_ATTEMPTS, promised=True, sentence=RETRIES, where="README"),
    )

    def huey(self, place: Path, *, create: bool = True) -> Any:
        """A fresh object."""
        return SqliteHuey(filename=str(place / "huey.db"), create_tables=create)

    def reset(self, place: Path) -> None:
        """Make the tables."""
        self.huey(place).storage.close()

    def open(self, place: Path, process: ForeignContext | None, *, create: bool = True) -> Any:
        """Open the queue, and declare the task."""
        huey = self.huey(place, create=create)

        @huey.task(retries=1, retry_delay=10, name="job")  # type: ignore[untyped-decorator]
        def job(key: str) -> str:
            assert process is not None
            process.handle(key)
            return key

        return huey, job

    def enqueue(self, session: Any, key: str) -> None:
        """Call the task."""
        huey, job = session
        huey.enqueue(job.task_class((key,), id=key))

    def drain(self, session: Any) -> None:
        """Do what a worker of the consumer does. One that cannot read the queue says so, and sleeps."""
        with suppress(Exception):
            while (task := session[0].dequeue()) is not None:
                session[0].execute(task)

    def housekeep(self, session: Any) -> None:
        """Do what the scheduler of the consumer does."""
        for task in session[0].read_schedule():
            session[0].enqueue(task)

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the queue, the schedule and the results."""
        huey, _ = self.open(place, None, create=False)
        waiting = {task.id: Status.WAITING for task in (*huey.pending(), *huey.scheduled())}
        ended = {}
        for key in huey.all_results():
            result = huey.get(key, peek=True)
            if not isinstance(result, Error):
                ended[key] = Status.DONE
            elif not result.metadata["retries"]:  # else it is the error of an attempt that is not the last
                ended[key] = Status.FAILED
        huey.storage.close()
        return {**ended, **waiting}


class OnFiles(OnSqlite):
    """FileHuey."""

    configuration = "FileHuey"
    seams = ("files",)

    def huey(self, place: Path, *, create: bool = True) -> Any:
        """A fresh object."""
        del create
        return FileHuey(path=str(place / "files"))


SQLITE = OnSqlite()
FILES = OnFiles()

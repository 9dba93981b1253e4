"""Jobs in a second, from enqueue to DONE: ours and its peers in turn, so that all meet the same machine."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen

from system.clock import Stopwatch, SystemClock
from tests.bench.contender import Contender
from tests.bench.machine import synced
from tests.bench.output import progress
from tests.bench.places import Places

_LOOK_EVERY_SECONDS = 0.01


class Failed(Exception):
    """A run did not come to its end. The message is what the process said last."""


@frozen(kw_only=True)
class Rounds:
    """What was measured: each contender with each number of workers, once a round."""

    runs: dict[tuple[str, int], list["Run"]]
    synced: tuple[float, ...]
    """What a write of 4 KB to the disk took, in microseconds, measured in between."""
    failures: tuple[str, ...]
    """Runs that did not come to their end, and why."""
    durability: dict[str, str]
    """The settings that the connection of each queue has."""


@frozen(kw_only=True)
class Run:
    """What one run measured, in jobs a second."""

    enqueue: float
    """One producer, and nobody working."""
    work: float
    """The workers, when all jobs were there before."""
    work_cpu_microseconds: float
    """The CPU time of these workers, for each job."""
    together: float
    """From the first enqueue to the last DONE, with the producer and the workers begun at once."""


def rounds(
    places: Places,
    contenders: Sequence[Contender],
    *,
    jobs: int,
    workers: Sequence[int],
    runs: int,
    seconds: float,
    durable: Mapping[str, str],
) -> Rounds:
    """Each contender with each number of workers, in turn, so many times; no more once so long has passed.

    `durable` has the settings of each kind of database. A contender with others is not measured.
    """
    measured: dict[tuple[str, int], list[Run]] = {}
    waits: list[float] = []
    failures: list[str] = []
    stopwatch = Stopwatch()
    settings = {each.name: durability_of(places, each) for each in contenders}
    unequal = [each for each in contenders if settings[each.name] != durable[each.database]]
    failures += [f"{each.name} is not as durable: {settings[each.name]}" for each in unequal]
    contenders = [each for each in contenders if each not in unequal]
    for number in range(runs):
        if number and stopwatch.seconds > seconds:
            break
        for count in workers:
            waits += synced(places.folder)
            for contender in contenders:
                progress(f"queue: round {number + 1} of {runs}, {count} workers, {contender.name}")
                these = measured.setdefault((contender.name, count), [])
                try:
                    with (
                        places.database(contender.database) as first,
                        places.database(contender.database) as second,
                    ):
                        these.append(run(contender, first, second, jobs=jobs, workers=count))
                except Failed as failed:
                    failures.append(f"{count} workers: {failed}")
    return Rounds(runs=measured, synced=tuple(waits), failures=tuple(failures), durability=settings)


def durability_of(places: Places, contender: Contender) -> str:
    """The settings of its own connection on which the durability of a commit depends."""
    with places.database(contender.database) as target:
        with _child(contender, "create", target, "") as child:
            child.ready()
        with _child(contender, "durability", target, "") as child:
            child.ready()
            child.begin()
            return child.end()


def run(contender: Contender, first: str, second: str, *, jobs: int, workers: int) -> Run:
    """Measure once, on two databases that have nothing in them yet. Raises Failed."""
    for target in (first, second):
        with _child(contender, "create", target, "") as child:
            child.ready()
    with _child(contender, "produce", first, str(jobs)) as producer:
        enqueue = _timed(producer)
    with ExitStack() as stack:
        enter = stack.enter_context
        children = [enter(_child(contender, "drain", first, f"w{number}")) for number in range(workers)]
        work = _timed(*children)
        work_cpu = sum(float(child.answer) for child in children)
    with _counter(contender, first) as done:
        if done() != jobs:
            raise Failed(f"{contender.name}: {done()} of {jobs} jobs are done, and no worker finds any more")
    with ExitStack() as stack:
        enter = stack.enter_context
        producer = enter(_child(contender, "produce", second, str(jobs)))
        children = [enter(_child(contender, "work", second, f"w{number}")) for number in range(workers)]
        done = enter(_counter(contender, second))
        for child in (producer, *children):
            child.ready()
        stopwatch = Stopwatch()
        for child in (*children, producer):
            child.begin()
        producer.end()
        while done() < jobs:
            for child in children:
                child.check()
            SystemClock().sleep(_LOOK_EVERY_SECONDS)
        together = stopwatch.seconds
    return Run(
        enqueue=jobs / enqueue,
        work=jobs / work,
        work_cpu_microseconds=1e6 * work_cpu / jobs,
        together=jobs / together,
    )


class _Child:
    """A process that was started; its parent's end of it."""

    def __init__(self, process: "subprocess.Popen[str]", what: str, errors: Any) -> None:
        self._process = process
        self._what = what
        self._errors = errors
        self.answer = ""
        """The words of the child when it had done: its CPU seconds, unless it was asked for more."""

    def ready(self) -> None:
        self._expect("ready")

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()

    def end(self) -> str:
        self.answer = self._expect("done")
        return self.answer

    def check(self) -> None:
        if self._process.poll() is not None:
            raise Failed(self._last_words())

    def _expect(self, word: str) -> str:
        assert self._process.stdout is not None
        said, _, rest = self._process.stdout.readline().strip().partition(" ")
        if said != word:
            raise Failed(self._last_words())
        return rest

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"{self._what}: {lines[-1] if lines else 'ended without a word'}"


@contextmanager
def _child(contender: Contender, role: str, target: str, rest: str) -> Iterator[_Child]:
    """Start it; it is killed at the end of the block."""
    command = [sys.executable, "-m", "tests.bench.child", contender.name, role, target, rest]
    with tempfile.TemporaryFile("w+") as errors:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        try:
            yield _Child(process, f"{contender.name}, {role}", errors)
        finally:
            process.kill()
            process.communicate()


def _timed(*children: _Child) -> float:
    """Seconds from the beginning of all to the end of the last."""
    for child in children:
        child.ready()
    stopwatch = Stopwatch()
    for child in children:
        child.begin()
    for child in children:
        child.end()
    return stopwatch.seconds


@contextmanager
def _counter(contender: Contender, target: str) -> Iterator[Any]:
    """How many jobs are done."""
    connection: Any
    if contender.database == "SQLite":
        connection = sqlite3.connect(f"{Path(target).as_uri()}?mode=ro", uri=True, isolation_level=None)
    else:
        connection = psycopg.connect(target, autocommit=True)
    with closing(connection):
        yield lambda: connection.execute(contender.done_sql).fetchall()[0][0]

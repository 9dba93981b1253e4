"""One process of the chaos run: a producer, a worker or a reconciler, on the system's clock.

It is killed, stopped and started again from outside, and knows nothing of that. What it did is in a log of
its own, a line at a time: what was begun, and what came back.
"""

import importlib
import json
import random
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from attrs import field, frozen

from failure_modes.checker.support.child_processes import die_with_input
from system.clock import SystemClock
from system.database import BUSY_SECONDS, named
from system.policies import Policies, Retry
from system.queue import Queue
from system.store import Execution, Job, Store, StoreUnavailable
from system.worker import Context, Worker

POLL_SECONDS = 0.05
WORK_SECONDS = 0.005
BEATING = 0.5
"""Of the jobs how many have a thread that beats; half of these threads are left behind."""
BEAT_SECONDS = 0.002
HOPELESS = "99"
"""A job whose key ends so fails at every attempt, and is given up."""
CLOCK = SystemClock()


@frozen(kw_only=True)
class ProcessConfiguration:
    """What a process is to do. `fault` is the module of a failure mode's scenario, or None."""

    role: str
    name: str
    folder: str
    db: str = field(repr=False)
    """What the queue's commands are given as `--db`. It may hold a password."""
    seed: str
    lease_seconds: float
    jobs_a_second: float
    fault: str | None

    @property
    def log(self) -> Path:
        """The process's own log: what it says outlives it, and is added to by the next of its name."""
        return Path(self.folder, f"{self.name}.log")


def main(text: str) -> None:
    """Do what the orders, as JSON, say; for ever."""
    configuration = ProcessConfiguration(**json.loads(text))
    die_with_input()
    with configuration.log.open("a", encoding="ascii") as log, opened(configuration.db) as store:
        queue = build(configuration, store)
        log.write("\n")  # the one before may have died in the midst of a line
        {"producer": _produce, "worker": _work, "reconciler": _reconcile}[configuration.role](
            configuration, queue, log
        )


def opened(db: str) -> closing[Store]:
    """The store, as soon as it can be opened."""
    while True:
        try:
            return named(db, BUSY_SECONDS).open()
        except StoreUnavailable:
            CLOCK.sleep(POLL_SECONDS)


def build(configuration: ProcessConfiguration, store: Store) -> Queue:
    """The queue as a user has it; or with the fault put in."""
    retry = Retry(attempts_max=5, backoff_seconds=0.05, jitter_seed=1)
    queue = Queue(store=store, policies=Policies(retry=retry), lease_seconds=configuration.lease_seconds)
    if configuration.fault is None:
        return queue
    broken: Queue = importlib.import_module(configuration.fault).FAILURE_MODE.fault(queue)
    return broken


def said(log: Path) -> list[list[Any]]:
    """What stands in a log, a line each; what was cut short when its process died is left out."""
    lines = []
    for line in log.read_text(encoding="ascii").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


_SAYS = threading.Lock()
"""Held by the thread that writes a line."""


def _say(log: TextIO, *words: Any) -> None:
    """One line, whole: it is in the file before the next thing is done. From any thread."""
    with _SAYS:
        log.write(json.dumps(words) + "\n")
        log.flush()


def _produce(configuration: ProcessConfiguration, queue: Queue, log: TextIO) -> None:
    """Ask for one job after the other; what nobody said yes to is asked for again."""
    chance = random.Random(configuration.seed)
    accepted = {words[1] for words in said(configuration.log) if words[0] == "accepted"}
    number = len(accepted)
    while True:
        key = f"{configuration.name}-{number}"
        _say(log, "asked", key)
        try:
            job = queue.enqueue(key, key=key)
        except StoreUnavailable:
            CLOCK.sleep(POLL_SECONDS)
            continue
        _say(log, "accepted", key, job.id)
        if chance.random() > 0.02:  # else its answer is taken for lost, and it is asked for again
            number += 1
        CLOCK.sleep(chance.expovariate(configuration.jobs_a_second))


class _LoggingQueue:
    """The queue; what it answered to a commit is put in the log before the worker goes on."""

    def __init__(self, queue: Queue, log: TextIO) -> None:
        self._queue = queue
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def commit_json(self, held: Execution, effect: str) -> bool:
        """Commit, and say so if it was accepted."""
        accepted = self._queue.commit_json(held, effect)
        if accepted:
            _say(self._log, "committed", held.id)
        return accepted


def _beat(context: Context, returned: threading.Event) -> None:
    """Beat from a thread beside the handler, for as long as there is a lease."""
    with suppress(StoreUnavailable):
        while context.heartbeat() and not returned.wait(BEAT_SECONDS):
            pass


def _work(configuration: ProcessConfiguration, queue: Queue, log: TextIO) -> None:
    chance = random.Random(configuration.seed)

    def handle(job: Job, context: Context) -> None:
        key = job.payload
        _say(log, "ran", key, context.attempt)
        drawn, beats, returned = chance.random(), chance.random(), threading.Event()
        if configuration.fault is None and beats < BEATING:  # under a fault leases are to run out
            threading.Thread(target=_beat, args=(context, returned), daemon=True).start()
        try:
            work_on(drawn, key)
        finally:
            if beats < BEATING / 2:  # else the thread is left behind, and ends when its lease is gone
                returned.set()
        context.write(key)

    def work_on(drawn: float, key: str) -> None:
        if drawn < 0.001:
            CLOCK.sleep(configuration.lease_seconds * 1.5)  # too long: another will have the job
        elif drawn < 0.03 or key.endswith(HOPELESS):
            raise ValueError("as it happens")
        else:
            CLOCK.sleep(chance.uniform(0, 2 * WORK_SECONDS))

    Worker(
        cast(Queue, _LoggingQueue(queue, log)),
        handle,
        name=configuration.name,
        clock=CLOCK,
        poll_seconds=POLL_SECONDS,
        watch=True,
        log=lambda text: _say(log, "told", text),
    ).run()


def _reconcile(configuration: ProcessConfiguration, queue: Queue, log: TextIO) -> None:
    while True:
        try:
            done = queue.reconcile(actor=configuration.name)
        except StoreUnavailable:
            CLOCK.sleep(POLL_SECONDS)
            continue
        _say(log, "reconciled", done.finished, done.aborted)
        CLOCK.sleep(configuration.lease_seconds / 4)


if __name__ == "__main__":
    main(sys.stdin.readline())

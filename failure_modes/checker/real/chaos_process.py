"""One process of the chaos run: a producer, a worker or a reconciler, on the system's clock.

Another process kills, stops and starts it; this one has no code for that. It logs each request and each
answer, one on each line, in a file of its own.
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
"""The share of jobs with a heartbeat thread. Half of these threads outlive their handler."""
BEAT_SECONDS = 0.002
HOPELESS = "99"
"""A job whose key ends with this fails at every attempt, and is buried."""
CLOCK = SystemClock()


@frozen(kw_only=True)
class ProcessConfiguration:
    """The configuration of a process. `fault` is the module of a failure mode's scenario, or None."""

    role: str
    name: str
    folder: str
    db: str = field(repr=False)
    """The value of `--db` of the queue's commands. It may have a password."""
    seed: str
    lease_seconds: float
    jobs_a_second: float
    fault: str | None

    @property
    def log(self) -> Path:
        """The log of the process. The next process of the same name appends to it."""
        return Path(self.folder, f"{self.name}.log")


def main(text: str) -> None:
    """Run the configuration in the JSON text, for ever."""
    configuration = ProcessConfiguration(**json.loads(text))
    die_with_input()
    with configuration.log.open("a", encoding="ascii") as log, opened(configuration.db) as store:
        queue = build(configuration, store)
        log.write("\n")  # the process before this one may have died inside a line
        {"producer": _produce, "worker": _work, "reconciler": _reconcile}[configuration.role](
            configuration, queue, log
        )


def opened(db: str) -> closing[Store]:
    """The store; this waits until it can be opened."""
    while True:
        try:
            return named(db, BUSY_SECONDS).open()
        except StoreUnavailable:
            CLOCK.sleep(POLL_SECONDS)


def build(configuration: ProcessConfiguration, store: Store) -> Queue:
    """Build the queue, with the fault if there is one."""
    retry = Retry(attempts_max=5, backoff_seconds=0.05, jitter_seed=1)
    queue = Queue(store=store, policies=Policies(retry=retry), lease_seconds=configuration.lease_seconds)
    if configuration.fault is None:
        return queue
    broken: Queue = importlib.import_module(configuration.fault).FAILURE_MODE.fault(queue)
    return broken


def read_log(log: Path) -> list[list[Any]]:
    """The lines of a log. Lines that a dying process left incomplete are skipped."""
    lines = []
    for line in log.read_text(encoding="ascii").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


_LOG_LOCK = threading.Lock()
"""The thread that writes a line holds this lock."""


def _say(log: TextIO, *words: Any) -> None:
    """Write one line, and flush it. Any thread may call this."""
    with _LOG_LOCK:
        log.write(json.dumps(words) + "\n")
        log.flush()


def _produce(configuration: ProcessConfiguration, queue: Queue, log: TextIO) -> None:
    """Enqueue one job after another. A job that was not acknowledged is enqueued again."""
    chance = random.Random(configuration.seed)
    accepted = {words[1] for words in read_log(configuration.log) if words[0] == "accepted"}
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
        if chance.random() > 0.02:  # else the answer counts as lost, and the job is enqueued again
            number += 1
        CLOCK.sleep(chance.expovariate(configuration.jobs_a_second))


class _LoggingQueue:
    """The queue. It logs the answer to each commit before the worker continues."""

    def __init__(self, queue: Queue, log: TextIO) -> None:
        self._queue = queue
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def commit_json(self, held: Execution, effect: str) -> bool:
        """Commit, and log the commit if it was accepted."""
        accepted = self._queue.commit_json(held, effect)
        if accepted:
            _say(self._log, "committed", held.id)
        return accepted


def _beat(context: Context, returned: threading.Event) -> None:
    """Send heartbeats from a thread beside the handler, until the lease is lost or the handler returned."""
    with suppress(StoreUnavailable):
        while context.heartbeat() and not returned.wait(BEAT_SECONDS):
            pass


def _work(configuration: ProcessConfiguration, queue: Queue, log: TextIO) -> None:
    chance = random.Random(configuration.seed)

    def handle(job: Job, context: Context) -> None:
        key = job.payload
        _say(log, "ran", key, context.attempt)
        drawn, beats, returned = chance.random(), chance.random(), threading.Event()
        if configuration.fault is None and beats < BEATING:  # with a fault, leases should run out
            threading.Thread(target=_beat, args=(context, returned), daemon=True).start()
        try:
            work_on(drawn, key)
        finally:
            if beats < BEATING / 2:  # else the thread goes on until the lease is lost
                returned.set()
        context.write(key)

    def work_on(drawn: float, key: str) -> None:
        if drawn < 0.001:
            CLOCK.sleep(
                configuration.lease_seconds * 1.5
            )  # longer than the lease: another worker gets the job
        elif drawn < 0.03 or key.endswith(HOPELESS):
            raise ValueError("a random failure of the handler")
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

"""dramatiq on Redis: its worker with one thread, and with the threads that fetch for it.

The maintenance that each thousandth command does is the housekeeping.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis import Redis

os.environ.setdefault("dramatiq_lua_max_stack", "8000")  # else the first broker of a process asks the server
import dramatiq
from dramatiq.brokers.redis import MAINTENANCE_SCALE, RedisBroker
from dramatiq.worker import Worker

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic

AT_LEAST_ONCE = "Dramatiq strives for at-least-once message delivery and assumes all actors are idempotent."
PERSISTENCE = "docs, Message Persistence"
QUEUES = ("default", "default.DQ")
WORKING_SECONDS = 3
"""How long a worker works in one task."""


STATUSES = {"default.XQ": Status.FAILED, "default.DQ": Status.WAITING, "default": Status.WAITING}


def connect(place: Path) -> Redis:
    """A fresh connection."""
    return Redis(unix_socket_path=str(place / "redis.sock"))


class Prefetching(Adapter):
    """A worker with one thread takes two messages at a time, as by default."""

    name = "dramatiq"
    configuration = "RedisBroker"
    seams = ("redis", "threads")
    takes_ahead = True
    attempts_max = 2
    lease_seconds = 60
    prefetch = 2
    upstream: Mapping[Topic, str] = {
        Topic.FENCED: "https://github.com/Bogdanp/dramatiq/issues/692",
        Topic.COUNTS_CRASHES: "https://github.com/Bogdanp/dramatiq/pull/383",
    }
    note = (
        "The maintenance that a thousandth of all commands do is the housekeeping. A worker that stops gives "
        "back the messages that it has taken ahead, and they go to the end of the queue."
    )
    claims = (
        Claim(
            topic=Topic.MULTI_PROCESS,
            promised=False,
            sentence=AT_LEAST_ONCE,
            where="docs, Error Handling",
        ),
        Claim(topic=Topic.FENCED, promised=False, sentence=AT_LEAST_ONCE, where="docs, Error Handling"),
        Claim(
            topic=Topic.KEEPS_WAITING,
            promised=True,
            sentence="Messages are only ever acknowledged to (removed from) the broker after they have been "
            "successfully processed.",
            where=PERSISTENCE,
        ),
        Claim(
            topic=Topic.KEEPS_JOBS,
            promised=True,
            sentence="any messages that are in flight when a worker is terminated are going to be "
            "redelivered later.",
            where=PERSISTENCE,
        ),
        Claim(
            topic=Topic.RECOVERY,
            promised=True,
            sentence="When a worker goes down while processing messages (eg. due to hardware, power or "
            "network failure) then the messages it pulled from the broker will eventually be re-delivered "
            "to it (assuming it recovers) or another worker.",
            where=PERSISTENCE,
        ),
        Claim(
            topic=Topic.MAX_ATTEMPTS,
            promised=True,
            sentence="The maximum number of times a message should be retried.",
            where="docs, Message Retries",
        ),
        Claim(
            topic=Topic.COUNTS_CRASHES, promised=False, sentence=AT_LEAST_ONCE, where="docs, Error Handling"
        ),
    )

    def reset(self, place: Path) -> None:
        """Make an empty queue: nothing to do."""

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Make a broker, and declare the actor."""
        broker = RedisBroker(client=connect(place), maintenance_chance=0)
        return dramatiq.actor(process.handle, broker=broker, actor_name="job", max_retries=1)

    def enqueue(self, session: Any, key: str) -> None:
        """Send a message."""
        session.send(key)

    def drain(self, session: Any) -> None:
        """Let a worker work for some seconds, and shut it down."""
        worker = Worker(session.broker, worker_threads=1)
        worker.queue_prefetch = self.prefetch
        worker.start()
        time.sleep(WORKING_SECONDS)
        worker.stop()

    def housekeep(self, session: Any) -> None:
        """Let two commands do the maintenance."""
        session.broker.maintenance_chance = MAINTENANCE_SCALE
        for name in QUEUES:
            session.broker.do_qsize(name)

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the messages of the queues. A message that is acknowledged is forgotten."""
        redis = connect(place)
        return {
            json.loads(message)["args"][0]: status
            for name, status in STATUSES.items()
            for message in redis.hvals(f"dramatiq:{name}.msgs")
        }


class OneByOne(Prefetching):
    """A worker takes a message when it is done with the last one."""

    configuration = "RedisBroker, dramatiq_queue_prefetch=1"
    prefetch = 1


PREFETCHING, ONE_BY_ONE = Prefetching(), OneByOne()

"""Two home-made queues on Redis, as many projects have them: one with a classic fault, and one that is right.

The faulty one pops a job, and then notes in a second command that it runs: a worker that is killed between
them takes the job with it. The right one moves the job and notes its lease in one script, and a worker
acknowledges only its own lease.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from failure_modes.checker.simulation.foreign import ForeignContext
from failure_modes.checker.simulation.seams.redis import SOCKET
from failure_modes.checker.subject.adapter import Adapter, Status

LEASE_SECONDS = 30
TAKE = """
local key = redis.call('LPOP', KEYS[1])
if not key then return false end
redis.call('HSET', KEYS[2], key, 'running')
redis.call('ZADD', KEYS[3], ARGV[1], key)
return {key, redis.call('HINCRBY', KEYS[4], key, 1)}
"""
DONE = """
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('HSET', KEYS[1], ARGV[1], 'done')
"""
FREE = """
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], 0, ARGV[1])) do
    redis.call('ZREM', KEYS[3], key)
    redis.call('HINCRBY', KEYS[4], key, 1)
    redis.call('HSET', KEYS[2], key, 'waiting')
    redis.call('RPUSH', KEYS[1], key)
end
"""
KEYS = ("jobs:waiting", "jobs:status", "jobs:leases", "jobs:claims")


class RightList(Adapter):
    """A list, a hash of statuses, and leases. Each change is one script."""

    name = "lists done right"
    seams = ("redis",)
    lease_seconds = LEASE_SECONDS

    def reset(self, place: Path) -> None:
        """Nothing is in the server yet."""

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open a connection."""
        return self._connect(place), process

    def enqueue(self, session: Any, key: str) -> None:
        """Push a job."""
        with session[0].pipeline() as pipeline:
            pipeline.hset("jobs:status", key, "waiting")
            pipeline.rpush("jobs:waiting", key)
            pipeline.execute()

    def drain(self, session: Any) -> None:
        """Take, run and finish jobs until there is none."""
        client, process = session
        while (taken := self.take(client)) is not None:
            key, claim = taken
            process.handle(key)
            client.eval(DONE, 3, "jobs:status", "jobs:claims", "jobs:leases", key, claim)

    def take(self, client: Any) -> Any:
        """The key of a job, and the claim on it; None if no job waits."""
        return client.eval(TAKE, len(KEYS), *KEYS, time.time() + LEASE_SECONDS)

    def housekeep(self, session: Any) -> None:
        """Give back the jobs whose lease has run out."""
        session[0].eval(FREE, len(KEYS), *KEYS, time.time())

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the statuses."""
        found = self._connect(place).hgetall("jobs:status")
        return {key: Status(status) for key, status in found.items()}

    def _connect(self, place: Path) -> Any:
        return redis.Redis(unix_socket_path=str(place / SOCKET), decode_responses=True)


class FaultyList(RightList):
    """It pops a job with one command, and notes that it runs with the next."""

    name = "lists with a fault"

    def take(self, client: Any) -> Any:
        """Take a job, in two steps."""
        key = client.lpop("jobs:waiting")
        if key is None:
            return None
        with client.pipeline() as pipeline:
            pipeline.hset("jobs:status", key, "running")
            pipeline.zadd("jobs:leases", {key: time.time() + LEASE_SECONDS})
            pipeline.hincrby("jobs:claims", key)
            return key, pipeline.execute()[-1]


RIGHT, FAULTY = RightList(), FaultyList()

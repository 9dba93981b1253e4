"""The seam of Redis: a process pauses before each command that it sends through redis-py, also with asyncio.

- A command, a pipeline, a transaction and a script are one step each: the server does them at once, or they
  are sent in one packet.
- In the simulation the server is `fakeredis`, one for each run. Its times to live follow the simulated clock.
  Where a server listens at the path of a connection, that server is used: real processes have a real one.
  When simulated time passes there, each time to live gets so much shorter; `TIME` stays the real time.
- The simulated server gives the members of a set in the order of their bytes, so each run is the same. A real
  server gives them in any order.
- A command that waits (`BLPOP`) is tried without waiting. If there is nothing, its timeout passes in
  simulated time, and it is tried once more; without a timeout the process is *blocked* until another one has
  moved.
- Commands that no other process can notice have no boundary: PING, INFO, CLIENT, SCRIPT.
- A subscription is not stepped.

A label has the command and the fixed parts of its first key: `LREM rq:queue`, `MULTI ZADD rq:wip`. A part
with a digit is left out, so that the label is the same for each job and each process.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attrs import frozen

from failure_modes.checker.simulation.seams.event_loop import exchanged
from failure_modes.checker.simulation.seams.patching import replaced_methods
from failure_modes.checker.simulation.seams.stepped import alive
from failure_modes.checker.support.errors import NotInstalled, SubjectError
from failure_modes.checker.support.redis_server import redis_server

SOCKET = "redis.sock"
"""The name of the server's socket in the folder of a run."""

VERSION = "7.0.15"
"""The version that the simulated server says it has."""

_UNSTEPPED = ("PING", "INFO", "CLIENT", "SCRIPT", "TIME", "UNWATCH", "HELLO", "COMMAND")
_SCRIPTS = ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL")
_WAITING = ("BZPOPMIN", "BZPOPMAX", "BLMPOP", "BZMPOP", "WAIT", "WAITAOF")
_AGE = """
for _, key in ipairs(redis.call('KEYS', '*')) do
    local left = redis.call('PTTL', key) - ARGV[1]
    if left > 0 then
        redis.call('PEXPIRE', key, left)
    elseif left > -ARGV[1] then
        redis.call('DEL', key)
    end
end
"""
"""Lets time pass for each key that has a time to live: PTTL is negative for the others."""

_POLL_SECONDS = 1.0
"""How long a coroutine without a timeout waits until it looks again."""

Arguments = Sequence[Any]


class RedisSeam:
    """Replaces methods of the classes of redis-py."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the methods until the block ends."""
        try:
            import fakeredis
            import redis
            import redis.asyncio
            from fakeredis.aioredis import FakeAsyncRedisConnection
            from fakeredis.model import ExpiringMembersSet
            from redis.asyncio.connection import ConnectionPool as AsyncPool
        except ImportError:
            raise NotInstalled(
                "the seam of Redis needs redis and fakeredis: pip install 'reliability-habits[judge]'"
            ) from None
        server = fakeredis.FakeServer(version=(7,))
        sync, coroutines = redis.client, redis.asyncio.client
        methods: dict[tuple[type, str], Callable[[Any], Callable[..., Any]]] = {
            (sync.Redis, "execute_command"): _command,
            (sync.Pipeline, "immediate_execute_command"): _command,
            (sync.Pipeline, "_execute_transaction"): _pipeline("MULTI"),
            (sync.Pipeline, "_execute_pipeline"): _pipeline("PIPELINE"),
            (coroutines.Redis, "execute_command"): _command_in_coroutine,
            (coroutines.Pipeline, "immediate_execute_command"): _command_in_coroutine,
            (coroutines.Pipeline, "_execute_transaction"): _pipeline_in_coroutine("MULTI"),
            (coroutines.Pipeline, "_execute_pipeline"): _pipeline_in_coroutine("PIPELINE"),
            (redis.ConnectionPool, "make_connection"): _connecting(fakeredis.FakeRedisConnection, server),
            (AsyncPool, "make_connection"): _connecting(FakeAsyncRedisConnection, server),
            (ExpiringMembersSet, "__iter__"): _in_one_order,
        }
        version = redis.utils.get_lib_version()  # each client would read it from a file again
        with replaced_methods(methods), patch.object(redis.utils, "get_lib_version", lambda: version):
            yield

    def served(self, place: Path) -> AbstractContextManager[None]:
        """Inside, a real server runs in the folder."""
        return redis_server(place / SOCKET)

    def age(self, place: Path, milliseconds: int) -> None:
        """Shorten each time to live: the real server's own clock is the real one."""
        import redis

        with redis.Redis(unix_socket_path=str(place / SOCKET)) as client:
            client.eval(_AGE, 0, milliseconds)


@frozen(kw_only=True)
class _Waiting:
    """A command that waits: what to try instead, and for how long."""

    tries: tuple[tuple[Any, ...], ...]
    seconds: float
    """0 for ever."""
    names_key: bool
    """True if the answer begins with the key that had a value."""


def _connecting(fake: Any, server: Any) -> Callable[[Any], Callable[..., Any]]:
    def wrapped(original: Any) -> Callable[..., Any]:
        def make_connection(pool: Any) -> Any:
            if _is_real(pool):
                return original(pool)
            options = {name: value for name, value in pool.connection_kwargs.items() if name != "path"}
            return fake(server=server, **options)

        return make_connection

    return wrapped


def _in_one_order(original: Any) -> Callable[..., Any]:
    return lambda members: iter(sorted(original(members)))


def _command(original: Any) -> Callable[..., Any]:
    def execute_command(client: Any, *arguments: Any, **options: Any) -> Any:
        process = alive()
        if process is None:
            return original(client, *arguments, **options)
        if _seam_answers(client, arguments):
            return {"redis_version": VERSION}
        label = label_of(arguments)
        if label is not None:
            process.pause(label)
        waiting = None if label is None else _waiting_of(arguments)
        if waiting is None or label is None:
            return original(client, *arguments, **options)
        end = process.now() + waiting.seconds
        while True:
            for one in waiting.tries:
                answer = original(client, *one, **options)
                if answer:
                    return _found(client, waiting, one, answer)
            if not waiting.seconds:
                process.block(label)
            elif process.now() >= end:
                return None
            else:
                process.sleep(end - process.now())

    return execute_command


def _command_in_coroutine(original: Any) -> Callable[..., Any]:
    async def execute_command(client: Any, *arguments: Any, **options: Any) -> Any:
        process = alive()
        if process is None:
            return await original(client, *arguments, **options)
        if _seam_answers(client, arguments):
            return await exchanged(asyncio.sleep(0, {"redis_version": VERSION}))
        label = label_of(arguments)
        if label is not None:
            process.pause(label)
        waiting = None if label is None else _waiting_of(arguments)
        if waiting is None:
            return await exchanged(original(client, *arguments, **options))
        end = process.now() + waiting.seconds
        while True:
            for one in waiting.tries:
                answer = await exchanged(original(client, *one, **options))
                if answer:
                    return _found(client, waiting, one, answer)
            if waiting.seconds and process.now() >= end:
                return None
            await asyncio.sleep(end - process.now() if waiting.seconds else _POLL_SECONDS)

    return execute_command


def _pipeline(kind: str) -> Callable[[Any], Callable[..., Any]]:
    def wrapped(original: Any) -> Callable[..., Any]:
        def execute(client: Any, connection: Any, commands: Any, *arguments: Any) -> Any:
            _pause_before(kind, commands)
            return original(client, connection, commands, *arguments)

        return execute

    return wrapped


def _pipeline_in_coroutine(kind: str) -> Callable[[Any], Callable[..., Any]]:
    def wrapped(original: Any) -> Callable[..., Any]:
        async def execute(client: Any, connection: Any, commands: Any, *arguments: Any) -> Any:
            _pause_before(kind, commands)
            return await exchanged(original(client, connection, commands, *arguments))

        return execute

    return wrapped


def _pause_before(kind: str, commands: Any) -> None:
    process = alive()
    if process is not None:
        labels = [label for command in commands if (label := label_of(command[0])) is not None]
        process.pause(f"{kind} {labels[0]}" if labels else kind)


def _is_real(pool: Any) -> bool:
    """True if a server listens where the pool connects to."""
    path = pool.connection_kwargs.get("path")
    return path is not None and Path(path).is_socket()


def _seam_answers(client: Any, arguments: Arguments) -> bool:
    """True if the seam itself answers: `fakeredis` has no INFO."""
    return str(arguments[0]).upper() == "INFO" and not _is_real(client.connection_pool)


def _waiting_of(arguments: Arguments) -> _Waiting | None:
    """How a command waits; None if it does not. Raises SubjectError if the seam cannot wait for it."""
    verb, *rest = arguments
    match str(verb).upper():
        case "BLPOP" | "BRPOP" as name:
            tries = tuple([(name[1:], key) for key in rest[:-1]])
            return _Waiting(tries=tries, seconds=float(rest[-1] or 0), names_key=True)
        case "BRPOPLPUSH" | "BLMOVE" as name:
            return _Waiting(tries=((name[1:], *rest[:-1]),), seconds=float(rest[-1] or 0), names_key=False)
        case "XREAD" | "XREADGROUP":
            at = next((at for at, one in enumerate(rest) if _text(one).upper() == "BLOCK"), None)
            if at is None:
                return None
            tried = (verb, *rest[:at], *rest[at + 2 :])
            return _Waiting(tries=(tried,), seconds=int(rest[at + 1]) / 1000, names_key=False)
        case name if name in _WAITING:
            raise SubjectError(f"the seam of Redis does not know how to wait for {name}")
    return None


def _found(client: Any, waiting: _Waiting, command: tuple[Any, ...], answer: Any) -> Any:
    if not waiting.names_key:
        return answer
    encoder = client.get_encoder()
    key = encoder.encode(command[1])
    return (encoder.decode(key) if encoder.decode_responses else key), answer


def label_of(arguments: Arguments) -> str | None:
    """A command in some words: its name and its first key; for a script its first argument, too.

    None if it has no boundary.
    """
    words = str(arguments[0]).upper().split()
    if words[0] in _UNSTEPPED:
        return None
    if words[0] in _SCRIPTS:
        count = int(arguments[2])
        keys, others = arguments[3 : 3 + count], arguments[3 + count :]
        asked = _text(others[0]) if others else ""
        return " ".join(
            filter(None, ("EVAL", _fixed(keys[0]) if keys else "", asked if asked.isalpha() else ""))
        )
    return " ".join(filter(None, (" ".join(words), _fixed(arguments[1]) if len(arguments) > 1 else "")))


def _fixed(key: Any) -> str:
    """The parts of a key that have no digit."""
    parts = _text(key).split(":")
    return ":".join([part for part in parts if part and not any(letter.isdigit() for letter in part)])


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

"""The moves of a run of any queue: what a producer, the workers, the housekeeper and time do next.

`Enqueue`, `Crash` and `Tick` are the actions of our own alphabet. The others name a boundary by its
*label*: `UPDATE job#1` is the first `UPDATE job` since the process began its present task. Labels are
learned from plain runs, so no label is written by hand. Nothing here knows a library or how a move is
carried out.
"""

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from model.actions import Crash, Enqueue, Tick

WORKERS = ("A", "B")
"""The names of the workers."""

PRODUCER = "producer"
HOUSEKEEPER = "housekeeper"
PROCESSES = (*WORKERS, PRODUCER, HOUSEKEEPER)


@frozen(kw_only=True)
class Work:
    """A worker goes on until it finds no job, or until it is about to run the statement of this label."""

    worker: str
    until: str | None = None


@frozen(kw_only=True)
class Housekeep:
    """The housekeeper makes one pass of what the documents of the queue say must run."""

    until: str | None = None


@frozen(kw_only=True)
class FailJob:
    """The next execution of this job raises an error."""

    key: str


Move = Enqueue | Work | Housekeep | FailJob | Crash | Tick
Moves = tuple[Move, ...]

KINDS: Mapping[str, Any] = {kind.__name__: kind for kind in (Enqueue, Work, Housekeep, FailJob, Crash, Tick)}


def mover(move: Move) -> str | None:
    """The process that moves; None for time, and for the failure of a job."""
    if isinstance(move, Enqueue):
        return PRODUCER
    if isinstance(move, Housekeep):
        return HOUSEKEEPER
    return move.worker if isinstance(move, Work | Crash) else None


def move_to_json(move: Move) -> dict[str, Any]:
    """A move as a JSON object: its name, and the arguments that are set."""
    arguments = {name: value for name, value in asdict(move).items() if value not in (None, False)}
    return {"move": type(move).__name__, **arguments}


def move_from_json(value: Mapping[str, Any]) -> Move:
    """The move of a JSON object. Raises KeyError, TypeError or ValueError."""
    arguments = {name: argument for name, argument in value.items() if name != "move"}
    move: Move = KINDS[value["move"]](**arguments)
    return move


def describe_move(move: Move) -> str:
    """A move in words."""
    match move:
        case Enqueue(key=key):
            return f"The producer enqueues {key}."
        case Work(worker=worker, until=None):
            return f"Worker {worker} works until it finds no job."
        case Work(worker=worker, until=until):
            return f"Worker {worker} stops before {until}."
        case Housekeep(until=None):
            return "Housekeeping makes one pass."
        case Housekeep(until=until):
            return f"Housekeeping stops before {until}."
        case FailJob(key=key):
            return f"The next execution of {key} raises an error."
        case Crash(worker=name):
            return f"{_subject(name)} is killed there."
        case Tick(seconds=seconds):
            return f"{seconds:g} s pass."


def _subject(name: str) -> str:
    return f"Worker {name}" if name in WORKERS else f"The {name}"

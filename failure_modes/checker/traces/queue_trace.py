"""The trace of any queue, as a value and as JSON: one move a line, reviewed like code.

It says which adapter and which version it was found with, so that a reader can tell if the library has
changed since. A trace is kept beside its adapter: `failure_modes/judged/QUEUE/traces/`.
"""

import json
import re
from pathlib import Path
from typing import Any

from attrs import frozen

from failure_modes.checker.experiment.moves import Moves, move_from_json, move_to_json
from failure_modes.checker.oracle.deliveries import Kind
from failure_modes.checker.subject.adapter import Topic
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import FileError

FORMAT = 1
_KEYS = (
    "format",
    "adapter",
    "queue",
    "version",
    "configuration",
    "kind",
    "topic",
    "text",
    "confirmed",
    "moves",
)


class QueueTraceError(FileError):
    """A file is not a trace of a queue. The message names the file and what is wrong."""


@frozen(kw_only=True)
class QueueTrace:
    """A run that shows trouble. `confirmed` says with what it was run again; None if only virtually."""

    adapter: str
    queue: str
    version: str | None
    configuration: str
    kind: Kind
    topic: Topic
    text: str
    confirmed: str | None
    moves: Moves


def trace_to_json(trace: QueueTrace) -> str:
    """The trace as JSON text, one move on each line."""
    head: dict[str, Any] = {"format": FORMAT}
    head |= {key: getattr(trace, key) for key in _KEYS[1:-1]}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    moves = ",\n".join([f"    {json.dumps(move_to_json(move))}" for move in trace.moves])
    return "\n".join(["{", *lines, '  "moves": [', moves, "  ]", "}", ""])


def load_trace(path: Path) -> QueueTrace:
    """Read a trace. Raises QueueTraceError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or set(value) != set(_KEYS):
            raise QueueTraceError(f"{path}: a trace of a queue has {', '.join(_KEYS)}")
        if value["format"] != FORMAT:
            raise QueueTraceError(f"{path}: unknown format {value['format']!r}; this program reads {FORMAT}")
        moves = tuple([move_from_json(move) for move in value["moves"]])
        rest = {key: value[key] for key in _KEYS[1:-1]}
        return QueueTrace(
            **{**rest, "kind": Kind(rest["kind"]), "topic": Topic(rest["topic"]), "moves": moves}
        )
    except (OSError, UnicodeDecodeError) as error:
        raise QueueTraceError(f"{path}: {error}; give the path of a trace") from None
    except (KeyError, TypeError, ValueError) as error:
        raise QueueTraceError(f"{path}: not a trace of a queue: {error}") from None


def keep_trace(trace: QueueTrace, folder: Path) -> Path:
    """Write the trace into a folder, under the name of its configuration, kind and topic."""
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "_", f"{trace.configuration} {trace.kind} {trace.topic}".lower())
    path = folder / f"{name}.json"
    write_atomically(path, trace_to_json(trace))
    return path

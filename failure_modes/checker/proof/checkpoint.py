"""A proof that was stopped early, as a file: the states seen, and the traces to those not yet expanded.

The file holds no program and no object: digests, numbers of actions, and a checksum over all of it. When it
is loaded, each trace is taken again, and must lead to the digest in the file. A file that was made by other
code is refused.
"""

import json
from base64 import b64decode, b64encode
from functools import cache
from hashlib import sha256
from inspect import getsourcefile
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from failure_modes.checker.experiment.scope import Fault
from failure_modes.checker.proof.fingerprint import DIGEST_BYTES
from failure_modes.checker.proof.proof import Counts, Proof
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import FileError
from failure_modes.checker.support.source import source_digest

FORMAT = 2


class CheckpointError(FileError):
    """The file is not a checkpoint of this proof. The message says which file, and why."""


@frozen(kw_only=True)
class SavedState:
    """A state by its trace. Actions are numbers; those of `only` have the names of the fingerprint."""

    digest: str
    trace: str
    sleep_set: tuple[int, ...]
    only: tuple[int, ...] | None


@frozen(kw_only=True)
class Checkpoint:
    """How far a proof has come. `sleep_sets` are those of the seen states that are not empty."""

    depth: int
    seconds: float
    counts: Counts
    seen: tuple[bytes, ...]
    sleep_sets: dict[str, tuple[int, ...]]
    frontier: tuple[SavedState, ...]
    coming: tuple[SavedState, ...]


def identity(proof: Proof) -> dict[str, Any]:
    """What identifies a proof."""
    return {
        "system": f"{proof.fault.__module__}.{proof.fault.__qualname__}",
        "target": asdict(proof.target) if proof.target else None,
        "scope": asdict(proof.scope),
        "bounds": asdict(proof.bounds),
        "reductions": asdict(proof.reductions),
        "code": _code(proof.fault),
    }


@cache
def _code(fault: Fault) -> str:
    """A digest of all the code that a proof rests on: other code may find other states."""
    source = getsourcefile(fault)
    return source_digest(("model", "system", "failure_modes/checker"), (Path(source),) if source else ())


def save(path: Path, proof: Proof, checkpoint: Checkpoint) -> None:
    """Write the file, or leave it as it was. Raises OSError."""
    body = asdict(checkpoint)
    body["seen"] = b64encode(b"".join(checkpoint.seen)).decode()
    text = json.dumps({"format": FORMAT, "proof": identity(proof), **body})
    write_atomically(path, f"{_sum(text)}\n{text}\n")


def load(path: Path, proof: Proof) -> Checkpoint:
    """Read a checkpoint of this proof. Raises CheckpointError."""
    try:
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise CheckpointError(f"{path}: not a checkpoint") from None
    except OSError as error:
        raise CheckpointError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    checksum, _, body = text.partition("\n")
    if len(checksum) != 64 or not body.startswith("{"):
        raise CheckpointError(f"{path}: not a checkpoint")
    if _sum(body.rstrip("\n")) != checksum:
        raise CheckpointError(f"{path}: the checkpoint is damaged: its checksum is wrong; begin anew")
    try:
        top = json.loads(body)
        if top["format"] != FORMAT:
            raise CheckpointError(f"{path}: format {top['format']}, and this program reads {FORMAT}")
        _same_proof(path, top["proof"], proof)
        return _checkpoint(top)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"[:120]
        raise CheckpointError(
            f"{path}: not as this program writes a checkpoint ({what}); begin anew"
        ) from None


def _same_proof(path: Path, found: dict[str, Any], proof: Proof) -> None:
    for key, value in json.loads(json.dumps(identity(proof))).items():
        if found.get(key) != value:
            raise CheckpointError(
                f"{path}: a checkpoint of another proof, and left as it is; "
                f"{key}: {json.dumps(found.get(key))}, asked for: {json.dumps(value)}"
            )


def _checkpoint(top: dict[str, Any]) -> Checkpoint:
    """The checkpoint in a file. Raises KeyError, TypeError or ValueError where the file is malformed."""
    digests = b64decode(top["seen"], validate=True)
    if len(digests) % DIGEST_BYTES:
        raise ValueError("a digest is cut off")
    if not isinstance(top["seconds"], int | float):
        raise TypeError("the seconds are no number")
    return Checkpoint(
        depth=_integer(top["depth"]),
        seconds=top["seconds"],
        counts=Counts(**{name: _integer(count) for name, count in top["counts"].items()}),
        seen=tuple([digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]),
        sleep_sets={_hex(digest): _numbers(actions) for digest, actions in top["sleep_sets"].items()},
        frontier=tuple([_saved(entry) for entry in top["frontier"]]),
        coming=tuple([_saved(entry) for entry in top["coming"]]),
    )


def _saved(entry: dict[str, Any]) -> SavedState:
    only = entry["only"]
    return SavedState(
        digest=_hex(entry["digest"]),
        trace=_hex(entry["trace"]),
        sleep_set=_numbers(entry["sleep_set"]),
        only=None if only is None else _numbers(only),
    )


def _numbers(values: list[Any]) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise TypeError("the actions are no list")
    return tuple([_integer(value) for value in values])


def _integer(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _hex(text: Any) -> str:
    bytes.fromhex(text)
    assert isinstance(text, str), "fromhex takes nothing else"
    return text


def _sum(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()

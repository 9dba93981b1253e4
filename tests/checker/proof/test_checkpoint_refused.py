"""What is no checkpoint of the proof that is asked for: refused in one line, and left as it was."""

import json
import os
import signal
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.proof import proving
from failure_modes.checker.proof.checkpoint import FORMAT, CheckpointError, load
from failure_modes.checker.proof.proof import Counts, Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove

MODE = failure_mode("FM_001")
GUARDED = Proof(
    scope=Scope(),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    fault=guarded,
    reductions=Reductions(sleep=True),
)
STATEMENT = Scope(granularity=Granularity.STATEMENT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the checkpoint is, in a folder of its own."""
    return tmp_path / "proof"


@pytest.fixture(scope="module")
def whole_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint of the guarded system, that has states to go on from, and actions that sleep."""
    file = tmp_path_factory.mktemp("checkpoint") / "proof"

    def interrupt(counts: Counts, depth: int, seconds: float) -> None:
        del counts, seconds
        if depth == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proving, "ROUND_STATES", 5)
        assert prove(GUARDED, limits=Limits(checkpoint=file), report=interrupt).bound == "interrupted"
    found = load(file, GUARDED)
    assert found.frontier
    assert found.coming
    assert any(reached.sleep_set for reached in found.frontier)
    assert found.sleep_sets
    return file.read_text()


def _refusal(file: Path, content: bytes, proof: Proof = GUARDED) -> str:
    """Why the file is refused, without its name; it is left as it was."""
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as refused:
        prove(proof, limits=Limits(checkpoint=file))
    assert (list(file.parent.iterdir()), file.read_bytes()) == ([file], content)
    name, told = str(refused.value).split(": ", maxsplit=1)
    assert (name, "\n" in told) == (str(file), False)
    return told


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{}", b"Dear diary,\n", b'{"format": 1}\n', bytes(range(256)), b"\0" * 9_999, b"a" * 64],
)
def test_what_is_no_checkpoint_is_refused(content: bytes, file: Path) -> None:
    """Any other file is named, and left as it is."""
    assert _refusal(file, content) == "not a checkpoint"


def test_a_directory_is_refused(file: Path) -> None:
    """The system says what is wrong with it."""
    file.mkdir()
    with pytest.raises(CheckpointError, match=r"proof: is a directory$"):
        prove(GUARDED, limits=Limits(checkpoint=file))
    assert file.is_dir()


def test_a_flipped_bit_is_found_wherever_it_is(file: Path, whole_text: str) -> None:
    """One bit of any byte is enough: the file is refused."""
    content = whole_text.encode()
    for at in (*range(200), *range(200, len(content) - 9, 7), *range(len(content) - 9, len(content))):
        file.write_bytes(content[:at] + bytes([content[at] ^ (0x80 if at % 2 else 0x01)]) + content[at + 1 :])
        with pytest.raises(CheckpointError, match=r"proof: (not a checkpoint|the checkpoint is damaged)"):
            load(file, GUARDED)


def test_a_file_that_ends_too_early_is_refused(file: Path, whole_text: str) -> None:
    """Wherever it was cut off; only of the last end of line nothing is lost."""
    for length in (*range(100), *range(100, len(whole_text), 17), len(whole_text) - 2):
        file.write_text(whole_text[:length])
        with pytest.raises(CheckpointError, match=r"proof: (not a checkpoint|the checkpoint is damaged)"):
            load(file, GUARDED)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (evolve(GUARDED, bounds=evolve(GUARDED.bounds, ticks=3)), 'bounds: {"jobs": 1, '),
        (evolve(GUARDED, scope=STATEMENT), 'scope: {"workers": 2, '),
        (evolve(GUARDED, scope=Scope(workers=3)), 'scope: {"workers": 2, '),
        (evolve(GUARDED, reductions=Reductions(sleep=False)), 'reductions: {"symmetry": true, '),
        (
            evolve(GUARDED, fault=MODE.fault),
            'system: "failure_modes.checker.experiment.scope.guarded", asked for: ',
        ),
        (
            evolve(GUARDED, fault=MODE.fault, target=MODE.target),
            'system: "failure_modes.checker.experiment.scope.guarded", asked for: ',
        ),
        (
            evolve(GUARDED, target=Target("INV_001")),
            'target: null, asked for: {"invariant": "INV_001", "tolerates": []',
        ),
    ],
)
def test_a_checkpoint_of_another_proof_is_refused(
    other: Proof, said: str, file: Path, whole_text: str
) -> None:
    """It says what differs: from there other states are reached."""
    told = _refusal(file, whole_text.encode(), other)
    assert told.startswith(f"a checkpoint of another proof, and left as it is; {said}")


def _forged(whole_text: str, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The checkpoint with something changed and the right checksum, as another version might write it."""
    top = json.loads(whole_text.partition("\n")[2])
    change(top)
    return _summed(json.dumps(top))


def _summed(text: str) -> bytes:
    return f"{sha256(text.encode()).hexdigest()}\n{text}\n".encode()


def _put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], object]:
    """Replaces one value, somewhere within."""

    def change(top: Any) -> None:
        for key in path[:-1]:
            top = top[key]
        top[path[-1]] = value

    return change


def test_another_format_is_refused(file: Path, whole_text: str) -> None:
    """A file of a later version is not read, though its checksum is right."""
    told = _refusal(file, _forged(whole_text, _put("format", value=FORMAT + 1)))
    assert told == f"format {FORMAT + 1}, and this program reads {FORMAT}"


ELSEWHERE = {
    "of another state": _put("frontier", 0, "digest", value="00" * 20),
    "of another state, to come": _put("coming", 0, "digest", value="00" * 20),
    "a shorter way": _put("frontier", 0, "trace", value=""),
    "a crash of who does nothing": _put("frontier", 0, "trace", value="05"),
    "no such action": _put("frontier", 0, "trace", value="ff"),
    "no such action sleeps": _put("frontier", 0, "sleep_set", value=[99]),
    "no such action before the first": _put("frontier", 0, "sleep_set", value=[-1]),
    "no such action to try": _put("frontier", 0, "only", value=[99]),
    "no such action slept": lambda top: top["sleep_sets"].update({key: [99] for key in top["sleep_sets"]}),
}


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_trace_that_leads_elsewhere_is_refused(
    change: Callable[[dict[str, Any]], object], file: Path, whole_text: str
) -> None:
    """A checkpoint that another version of the system made does not fit, and is not gone on from."""
    assert _refusal(file, _forged(whole_text, change))


KEYS = ("format", "proof", "depth", "seconds", "counts", "seen", "sleep_sets", "frontier", "coming")
MALFORMED: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"no {key}": lambda top, key=key: top.pop(key) for key in KEYS},  # type: ignore[misc]
    **{f"{key} is null": _put(key, value=None) for key in KEYS},
    **{f"{key} is a text": _put(key, value="x") for key in KEYS},
    **{f"{key} is a list": _put(key, value=[[5]]) for key in KEYS},
    "half a digest": _put("seen", value=b64encode(b"1234567").decode()),
    "a count of another kind": _put("counts", value={"apples": 1}),
    "a count is a text": _put("counts", "transitions", value="x"),
    "a count is negative": _put("counts", "transitions", value=-1),
    "a count is a fraction": _put("counts", "transitions", value=1.5),
    "sleep sets of a number": _put("sleep_sets", value={"00": 5}),
    "a state is a number": _put("frontier", value=[5]),
    "a state of nothing": _put("frontier", value=[{}]),
    "a digest is a number": _put("frontier", 0, "digest", value=5),
    "a digest is no number": _put("frontier", 0, "digest", value="x"),
    "a trace is null": _put("frontier", 0, "trace", value=None),
    "a trace is no number": _put("coming", 0, "trace", value="x"),
    "an action is a text": _put("frontier", 0, "sleep_set", value=["x"]),
    "what sleeps is null": _put("frontier", 0, "sleep_set", value=None),
    "what is to try is a number": _put("coming", 0, "only", value=5),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_refused(
    change: Callable[[dict[str, Any]], object], file: Path, whole_text: str
) -> None:
    """A right checksum does not make a checkpoint: each part has to be what it should be."""
    assert _refusal(file, _forged(whole_text, change))


@pytest.mark.parametrize("text", ["{", '{"format"}', "{}", '{"format": 1, "a": ' + "[" * 99_999])
def test_json_that_cannot_be_read_is_refused(text: str, file: Path) -> None:
    """What begins like an object need not be one."""
    assert _refusal(file, _summed(text))

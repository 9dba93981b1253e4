"""The seam of chance: a run draws the same numbers each time, and each process draws others.

`uuid` and `secrets` draw from `os.urandom`, so that one function is enough. The state of the module
`random` is set when a run begins, and restored when it ends.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

from failure_modes.checker.simulation.seams.patching import replaced
from failure_modes.checker.simulation.seams.stepped import current

_URANDOM = os.urandom


class ChanceSeam:
    """Replaces `os.urandom`, and sets the state of `random`. `salt` differs for each real process."""

    def __init__(self, salt: str = "") -> None:
        self._salt = salt

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace chance until the block ends."""
        kept = random.getstate()
        random.seed(f"run {self._salt}")
        try:
            with replaced({_URANDOM: _urandom}):
                yield
        finally:
            random.setstate(kept)


def _urandom(size: int, /) -> bytes:
    process = current()
    return _URANDOM(size) if process is None else process.random_bytes(size)

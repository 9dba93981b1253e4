"""One producer or worker: `python -m tests.bench.child NAME ROLE TARGET REST`, started by the bench.

It says `ready` when everything is open, begins when it is told to, and says `done` when it has done; with the
CPU seconds that it took since it began, or with the settings that it was asked for.
"""

import sys
from time import process_time

from tests.bench.contenders import BY_NAME


class _Begun:
    """Begins when it is told to, and knows the CPU seconds since then."""

    def __init__(self) -> None:
        self._at = 0.0

    def __call__(self) -> None:
        print("ready", flush=True)  # noqa: T201
        if not sys.stdin.readline():
            sys.exit("nobody is there any more")
        self._at = process_time()

    @property
    def cpu_seconds(self) -> float:
        return process_time() - self._at


def main(name: str, role: str, target: str, rest: str) -> None:
    """Be that."""
    contender = BY_NAME[name]
    begin = _Begun()
    answer: object = None
    if role == "create":
        contender.create(target)
        begin()
    elif role == "durability":
        answer = contender.durability(target)
        begin()
    elif role == "produce":
        contender.produce(target, int(rest), begin)
    else:
        contender.work(target, rest, begin, drain=role == "drain")
    print("done", answer or begin.cpu_seconds, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

"""One producer or worker: `python -m tests.bench.child NAME ROLE TARGET REST`, started by the bench.

It says `ready` when everything is open, begins when it is told to, and says `done` when it has done.
"""

import sys

from tests.bench.contenders import BY_NAME


def _begin() -> None:
    print("ready", flush=True)  # noqa: T201
    if not sys.stdin.readline():
        sys.exit("nobody is there any more")


def main(name: str, role: str, target: str, rest: str) -> None:
    """Be that."""
    contender = BY_NAME[name]
    if role == "create":
        contender.create(target)
        _begin()
    elif role == "produce":
        contender.produce(target, int(rest), _begin)
    else:
        contender.work(target, rest, _begin, drain=role == "drain")
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

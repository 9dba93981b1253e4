"""`python -m failure_modes`: find, prevent, replay, explore."""

import atexit
import gc
import sys

from failure_modes.checker.support.interrupts import listen

EXTRA = "checker"
"""The extra of the package that brings what the checker needs."""
NEEDED = ("greenlet", "hypothesis", "rich")
MISSING = 2
"""The exit code if a library is missing."""


def run() -> None:
    """Run the command line. Signals are noted first, for the imports take some time."""
    listen()
    atexit.register(gc.freeze)  # the last collection would look at all objects, and the process ends anyway
    try:
        from failure_modes.checker.cli.main import main

        main(prog_name="python -m failure_modes")
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        sys.stderr.write(
            f"error: the checker needs {error.name}, which is not installed; "
            f"pip install 'reliability-habits[{EXTRA}]'\n"
        )
        sys.exit(MISSING)


if __name__ == "__main__":
    run()

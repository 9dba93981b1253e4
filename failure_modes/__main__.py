"""`python -m failure_modes`: find, prevent, replay, explore."""

from failure_modes.checker.support.interrupts import listen


def run() -> None:
    """Run the command line. Signals are noted first, for the imports take half a second."""
    listen()
    from failure_modes.checker.cli.main import main

    main(prog_name="python -m failure_modes")


if __name__ == "__main__":
    run()

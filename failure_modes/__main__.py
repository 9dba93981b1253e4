"""`python -m failure_modes`: find, prevent, replay, explore."""

from failure_modes.checker.cli import main

if __name__ == "__main__":
    main(prog_name="python -m failure_modes")

"""`python -m system`: init, enqueue, work, reconcile, status, audit, backup, restore."""

from system.cli import main

if __name__ == "__main__":
    main(prog_name="python -m system")

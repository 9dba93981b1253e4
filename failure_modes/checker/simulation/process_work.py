"""The work of a virtual process: the job that its program works on, and whether it rests."""

from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot


class ProcessWork:
    """The job in work, and the rest of one process."""

    def __init__(self) -> None:
        self.at_rest = True
        """True if nothing has happened since the process started, slept, or finished an intent."""
        self.rested = False
        """True if the process has rested since it was started."""
        self.current_job: int | None = None
        """The id of the job that the program works on."""

    def start(self) -> None:
        """Prepare for a fresh greenlet that runs the program."""
        self.rested = False

    def begin_step(self) -> None:
        """Begin a step: the process is no longer at rest."""
        self.at_rest = False

    def begin_job(self, job: int) -> None:
        """Set the job that the program works on, until the process rests."""
        self.current_job = job

    def pass_rest(self) -> None:
        """Record that the program came to its rest, perhaps in a replay of its log."""
        self.rested = True

    def end(self) -> None:
        """Rest: no job is in work. It is also the state from before the first start."""
        self.at_rest, self.current_job = True, None

    def restore(self, snapshot: ProcessSnapshot) -> None:
        """Restore the job and the rest of a snapshot."""
        self.at_rest, self.current_job = snapshot.at_rest, snapshot.current_job

    def report(self, *, at_rest: bool, current_job: int | None) -> None:
        """Take over what a real process says of its rest and of its job."""
        self.at_rest, self.current_job = at_rest, current_job

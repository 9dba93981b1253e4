"""FM_004: a worker dies while it holds a job, and the job stays RUNNING for ever."""

"""Right and wrong versions of the policy of FM_012, for the tests of its kata; no learner sees them."""

from system.policies import ExternalKeys, Lease


class Reference(ExternalKeys):
    """The key of the job."""

    def key(self, lease: Lease) -> str:
        """The prefix and the id of the job."""
        return f"{self.prefix}-{lease.job.id}"


class Another:
    """The token of the job."""

    def key(self, lease: Lease) -> str:
        """What the producer said, and the token."""
        return f"{lease.job.key}/{lease.job.token}"


class Written(ExternalKeys):
    """The policy written from its requirement."""

    def key(self, lease: Lease) -> str:
        """The id of the job, which the execution has, too."""
        return f"request-{lease.execution.job_id}"


class WrongAttempt(ExternalKeys):
    """The key of the attempt."""

    def key(self, lease: Lease) -> str:
        """The job and the number of the attempt."""
        return f"{lease.job.id}-{lease.execution.attempt}"


class WrongWorker(ExternalKeys):
    """The key of the worker."""

    def key(self, lease: Lease) -> str:
        """The job and the name of the worker."""
        return f"{lease.job.id}-{lease.execution.worker}"


class WrongOneForAll(ExternalKeys):
    """One key for all jobs."""

    def key(self, lease: Lease) -> str:
        """The prefix alone."""
        del lease
        return self.prefix

"""FM_007 state drift: the kata."""

from failure_modes.checker import Bounds, Kata, Scope

KATA = Kata(
    order=120,
    story="The executions said that Yusuf's tax was paid; the row of the job, which is what the office "
    "looks at, said that it was open. The two are written one after the other, and the program died in "
    "between. Some weeks later it was the other way round: the job was closed, and nothing had been paid.",
    in_public="in 2020 users of Apache Airflow reported thousands of tasks that the executor called "
    "finished, while the database said that they were queued.",
    address="https://github.com/apache/airflow/issues/10790",
    question="One fact is written in two places. When do they disagree, and for how long?",
    place="Look at each place where the job is closed: in which transaction is it, and is it right to "
    "close the job there at all?",
    requirement="The job is closed (`tx.set_available(job_id, None)`) in the transaction that commits its "
    "effect, and in no other. A refused commit leaves the job as it is.",
    also=((Scope(), Bounds(jobs=1, ticks=1, crashes=1, failures=1, reconciles=1)),),
)

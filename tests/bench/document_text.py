"""The words of `docs/bench.md` around its tables."""

HEAD = """
# What it costs

`nox -s bench` measures jobs a second beside other queues, the work of one job, the time of a lease and of
`status` with many jobs, and the cost of the checker. No test asserts a speed. `nox -s bench -- --write`
measures all parts, in some twelve minutes, and writes this document. Each part can be measured alone, in at
most 5 minutes; another version beside this one takes some 6 more. Each table says on which machine, and how
busy that was before. Compare figures within one table: they were measured in turn, in the same run.
"""

JOBS_A_SECOND = """
## Jobs a second

```bash
# or, with the group `bench` installed: python -m tests.bench queue
nox -s bench -- queue --write
```

The jobs do nothing. Each worker is a process. All queues are equally durable, or they are not measured:
each commit waits for the disk. The disk decides most of it; on a slower disk the number of commits matters
more. *Bare rows* is not a queue: it is a table with five commits of one statement each, and it promises
nothing.
"""

GUARANTEES = """
## What each guarantees

No other queue gives equal guarantees. To get them, a user of huey must acknowledge after the work and not
before it. A user of litequeue, procrastinate or pgqueuer must write the effect and the acknowledgement in
one transaction, and refuse a late worker in it. With litequeue and procrastinate the user must also recover
the jobs of a dead worker.
"""

JOB = """
## The work of one job

```bash
nox -s bench -- job --write    # python -m tests.bench job --write
```

A job without its enqueue, in a [fused worker](04_happy_path.md#a-fused-worker); beside it a job of huey and
of litequeue on one connection. The CPU time is that of the worker's process; a server has its own.
"""

DIFFERENCE = """
## Where the difference goes

A job waits for the disk twice, with us as with huey and litequeue: once for the commit of its effect, and
once for the transaction that finishes it, and leases and starts the next. The difference is

- on SQLite several times the pages of huey and litequeue, in as many commits (the table above): jobs,
  executions, effects and audit have tables of their own, with an audit row for each step, foreign keys, and
  indexes that keep every operation as fast with a million jobs. Most of a worker's CPU time goes into these
  pages and rows;
- on PostgreSQL 12 statements, each with a way to the server and back. Our transaction locks its job, reads,
  decides in Python by its policies, and writes; the transaction of the others is one statement that decides
  nothing;
- an idle worker on SQLite looks again after 0.5 s (`--poll-seconds`), a worker of huey and the loop around
  litequeue after 0.1 s. This counts where the workers begin with an empty queue.

Pgqueuer by tens takes and acknowledges ten jobs in a commit, and runs them together: a worker that dies
leaves ten jobs that must run again.

**Can a job cost fewer waits for the disk?** Not without the loss of a promise. `enqueue` and `commit` must
wait. Without a durable `lease` and `start`, a loss of power could leave a handler that called another
system, an attempt that was not counted, and no audit row of either; a job that crashes the machine would be
tried for ever. Every answer is durable. Several workers on PostgreSQL share a wait for the disk (one flush
of its log serves all commits at that time); on SQLite one worker writes at a time.

**A transaction asks PostgreSQL as seldom as possible.** Writes to different tables that follow each other
are one statement. One statement locks a job and its execution, and reads both. BEGIN and COMMIT are
statements of their own: the checker steps from one to the next.
"""

LATENCY = """
## A lease and `status` when many jobs wait

```bash
nox -s bench -- latency --write    # python -m tests.bench latency --write
```

Microseconds. `enqueue` made each job, with its audit row; each leased job is then finished. *Later* means
after 3,000 more jobs were finished. *Times* compares p50 and p99 with the row above. When no job waits, a
lease finds nothing and writes nothing. The databases take turns, one lease each.

A lease takes about the same time with a million jobs as with ten thousand: an index finds the job. `status`
counts the entries of indexes, and reads no table. On PostgreSQL a finished job leaves dead entries at the
end of the index where the next job is searched, until the table is vacuumed. The default is to vacuum when
a fifth of the table is dead. So the tables of jobs and executions ask for a vacuum after 10,000 dead rows
and a hundredth of the table. The server's `autovacuum` must be on, as it is by default. A transaction that
stays open for hours stops the vacuum from removing anything, and leases grow slower.
"""

WEIGHTS = """
## What weighs on a queue

```bash
nox -s bench -- burdens --write    # python -m tests.bench burdens --write
```

Half of the jobs that `status` counts are done, half wait. The time of a lease is the median of 200. While a
reader stays, SQLite cannot copy its log into the file: each job adds its pages, some 80 KB (130 KB with a
worker that is not fused). While a transaction stays open at PostgreSQL, the dead entries of each finished
job stay where the next job is searched; leases grow slower with their number.
"""

CHECKER = """
## The checker

```bash
nox -s bench -- checker --write    # python -m tests.bench checker --write
```

The time of a lock-step at each granularity, and for each break of a failure mode on SQLite the CPU time in
which each [driver](command_line.md#drivers) finds its shortest trace. *Times* compares the median of each
break: below 1 is faster. The plain machine is a state machine of Hypothesis as anyone would write it: a
rule for each kind of action, a new world for each example, its own shrinking, 2,000 examples and 8 s of
CPU time at most. *Greatest median of a break*: the slowest break, by the median of its seeds; `--seeds 10`
takes ten seeds for each driver that draws, in place of three.
"""

COMMANDS = """
## Whole commands

```bash
nox -s bench -- commands --write    # python -m tests.bench commands --write
```

Commands of `python -m failure_modes` as processes, with the start of Python and all imports. The median of
five runs (the least to the most). The last row is a session of nox whose environment is installed.
"""

EXPLORER = """
## The explorer

```bash
nox -s bench -- explorer --write    # python -m tests.bench explorer --write
```

Proofs that the guarded system holds. *Small*: 2 jobs, 2 workers, 1 tick, 1 crash. *Large*: 2 jobs, 2
workers, 2 ticks, 1 crash, 1 failure, 1 reconcile. A proof without reductions visits each order of
independent actions and each naming of the workers, and remembers no step. A proof is stopped after 100 s.
*Real steps*: how often the real system took a step, for a transition or on the way to an ending; the other
steps are remembered. `nox -s cost` measures more scopes.

*Large* had 131,509 states before commit 4f61d83: since then a lease takes retries before new jobs, where it
took the job that was due first, so fewer orders of jobs can be reached. The commits that made proofs faster
(0b0b2b0 and after) moved none of these numbers, and no shortest length of a failure mode. These counts moved
since: FM_018 has 290 states and not 314, and a proof of fused workers 842 and not 858, because a transaction
has a statement less (f8b40e4, fbfeddc); proofs with rollbacks have 720 and not 824, and 124 and not 125,
because a worker whose execution is lost is no part of a fingerprint (085b5f0).
"""

VERSIONS = """
### Two versions

```bash
# The version before proofs were made faster; any other will do that has the same options.
git worktree add --detach FOLDER 0b0b2b0^
nox -s bench -- explorer --against FOLDER --write
```

The proof *large* as a whole command in one process, by both versions in turn: the mean of two rounds (the
least to the most).
"""

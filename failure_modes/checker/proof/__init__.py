"""Every reachable state of a scope: frontier, successors, fingerprint, shards, checkpoint.

The way of a proof through this room:

1. A `Proof` (`proof.py`) says what to explore. `prove` (`proving.py`) runs it level by level, and gives a
   `ProofResult` (`result.py`).
2. The states are shared out among shards, one in each process (`parallel.py`). A `Shard` (`explorer.py`)
   expands its states: it tries each action that the bounds allow (`alphabet.py`).
3. `Nodes` (`nodes.py`) follow the action from a node: a state without what is spent. `Successors`
   (`successors.py`) takes it in lock-step, and remembers what it changed (`state_change.py`).
4. `RememberedSystem` (`remembered_system.py`) runs the step on the real system, or finds one that read the
   same rows (`step_reads.py`, `query_rows.py`) in its `StepMemory` (`step_memory.py`). The model takes its
   own step each time.
5. `footprint.py` says which actions need to be tried in one order only, and `Fingerprints` (`fingerprint.py`)
   when two states are one.
6. `Endings` (`endings.py`) follows recovery from each new state, and has what is left judged.

`checkpoint.py` keeps a proof that was stopped early in a file, and `prove` goes on from it.

This room must not know how a search draws actions, nor how a result is shown.
"""

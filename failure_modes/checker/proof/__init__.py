"""Every reachable state of a scope: frontier, successors, fingerprint, shards, checkpoint.

The way of a proof through this room:

1. A `Proof` (`proof.py`) says what to explore. `prove` (`proving.py`) runs it level by level, and gives a
   `ProofResult` (`result.py`).
2. The states are shared out among shards, one in each process (`parallel.py`). A `Shard` (`explorer.py`)
   expands its states: it tries each action that the bounds allow (`alphabet.py`).
3. `Successors` (`successors.py`) restores the system to a state, takes the action in lock-step, and remembers
   what it changed (`state_change.py`). `footprint.py` says which actions need to be tried in one order only.
4. `Fingerprints` (`fingerprint.py`) says when two states are one.
5. `Endings` (`endings.py`) runs recovery from each new state, and has what is left judged.

`checkpoint.py` keeps a proof that was stopped early in a file, and `prove` goes on from it.

This room must not know how a search draws actions, nor how a result is shown.
"""

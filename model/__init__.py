"""The pure reference model of the queue: no I/O, no clock, no randomness, no import of `system`.

`step(state, action)` in `step.py` gives the state that must follow. The values are in `state.py`,
`actions.py` and `events.py`, and the tables of allowed changes in `transitions.py`. `operations.py` has the
transaction of each operation: a `draft.py` is written under the limits of `limits.py`. `invariants/` judges
what was observed of the model or of a system.
"""

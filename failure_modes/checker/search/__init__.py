"""The Hypothesis state machine, minimising what it found, and the plans of searches."""

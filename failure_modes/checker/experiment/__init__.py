"""The values that say what to try and what was found.

In it: scope, strategy, bounds, target, failure mode, finding.
"""

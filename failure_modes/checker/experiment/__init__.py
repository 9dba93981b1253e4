"""The values that say what to try and what was found: scope, strategy, bounds, target, failure mode, finding.

This package runs nothing.
"""

"""Tests of `failure_modes/checker/cli`."""

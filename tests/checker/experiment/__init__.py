"""Tests of `failure_modes/checker/experiment`."""

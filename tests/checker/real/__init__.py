"""Tests of `failure_modes/checker/real`."""

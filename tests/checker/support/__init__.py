"""Tests of `failure_modes/checker/support`."""

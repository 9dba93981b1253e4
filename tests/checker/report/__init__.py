"""Tests of `failure_modes/checker/report`."""

"""Tests of `failure_modes/checker/oracle`."""

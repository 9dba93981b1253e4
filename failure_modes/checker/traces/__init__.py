"""The trace as a value and as JSON, the regression database, and replay."""

"""A judged queue."""

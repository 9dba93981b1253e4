"""FM_001: a job is executed twice, because nothing decides which commit counts."""

"""FM_016: two missing policies hide each other: a job ends, and nothing shows it."""

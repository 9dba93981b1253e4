"""FM_014: a job whose attempts are spent vanishes, and no row says so."""

"""FM_010: a job that kills its worker is retried for ever, because only failures count."""

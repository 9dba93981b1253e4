"""FM_006: a worker that was paused past its lease commits after the job went to another."""

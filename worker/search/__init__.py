"""One key, or a pattern, through time: in which backups it is, where it changed, and what is alive now."""

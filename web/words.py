"""Numbers, times and arguments in words, for templates and messages."""

"""A run from queued to its end: `run` is what is known of one, `store` remembers all, `recorder` keeps one as it goes.

`ownership` says whose it is, `reaper` ends those that nobody is at work on any more.
"""

"""A run from queued to its end: `run` is what is known of one, `store` remembers all, `recorder` keeps one as it goes.

`operations` is the table of what is known of each kind; `ownership` says whose a run is, `reach` what runs say of the source,
`liveness` who may begin one and whether it lives, `reaper` ends those that nobody is at work on any more.
"""

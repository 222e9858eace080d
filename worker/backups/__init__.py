"""What is done with backups: made, verified, adopted, exported, pruned, pinned, repaired, counted.

A module is a verb: settings and arguments come in, a dict for a person goes out. `retention` (what a prune gives up, and why)
and `schedule` (when) only compute; `plan` and `judgement` are of a backup that is made.
"""

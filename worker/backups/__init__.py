"""What is done with backups: made, verified, adopted, exported, pruned, pinned, repaired, counted.

A module is a verb; `retention` (what goes) and `schedule` (when) only compute.
"""

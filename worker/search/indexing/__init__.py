"""What makes one key of a backup quick to find: its index (index.py), sorted on disk (sorting.py), beside the backup (shelf.py),
and the few frames of the backup that the key lies in (nearby.py).
"""

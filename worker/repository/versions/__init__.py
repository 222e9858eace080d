"""Backups in a bucket that keeps versions: which versions were written is remembered here, and so is what they were.

records.py remembers that, on this machine, where nobody who writes to the bucket comes. lost.py holds it against what lies in
the bucket: what somebody else has deleted or written over is named. rescue.py puts the version back that was written.
"""

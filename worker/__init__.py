"""The map of this folder, from the top down; imports go down only.

doors    celery.py, tasks.py (the queue), __main__.py (the shell)
verbs    backup.py, restore.py, verify.py, adopt.py, export.py, prune.py, stats.py, ping.py: no Celery in them
told     console.py (to people), reporting.py (progress), logs.py (events), heartbeat.py (who is alive)
runs     recording.py (one run as it goes), reaper.py (runs that were killed), runs.py (all of them)
memory   catalogue.py, manifest.py, retention.py, schedule.py; in the broker: lock.py, lease.py, access.py, audit.py
choice   selection.py (which keys), redirection.py (where to)
pipe     tally.py, meter.py, compression.py, artifact.py, storage.py, draft.py
Redis    sources/ and formats/ at one end, target.py, writing.py, report.py, commands.py, globs.py at the other
ground   broker.py, connection.py, wire.py, facts.py, entries.py, progress.py, config.py, errors.py
"""

__version__ = "0.1.0"

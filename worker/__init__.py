"""The map of this folder, from the top down; imports go down only.

doors    celery.py, tasks.py (the queue), __main__.py (the shell; shell/ has a module for each verb)
verbs    backup.py, restore.py, undo.py, preview.py, search.py, verify.py, adopt.py, repair.py, export.py, prune.py, pin.py, stats.py, ping.py: no Celery in them
told     console.py (to people), stopping.py (Ctrl-C), reporting.py (progress), logs.py (events), heartbeat.py (who is alive)
runs     behalf.py (whose), recording.py (one run as it goes), reaper.py (runs that were killed), run.py (what is known of one), runs.py (all of them),
         listing.py (which there are), ownership.py (whose they are)
search   inquiry.py (what is asked), places.py and alive.py (where a key may be), history.py (what changed); fitting.py (of
         a pattern), standing.py and page.py (what comes first), settled.py and meaning.py (each in all places); index.py beside a backup, buckets.py (its records, sorted), scratch.py (temporary files)
memory   catalogue.py, manifest.py (never changes), notes.py (what is known later), digest.py (of both), check.py (is this its artifact),
         retention.py, schedule.py; in the broker: lock.py, lease.py (held, and proven), access.py, audit.py
choice   request.py (what is asked), selection.py (which keys), named.py (which of those that were named), redirection.py (where to), sound.py (what may be sent)
preview  live.py (the same keys, alive), compare.py, differences.py, longstring.py, modules.py, findings.py, samples.py; leftalone.py (what a restore does not touch); freshness.py (is it still so), fingerprint.py (told by sums)
mirror   mirror.py (which way), replicating.py, handover.py, primary.py (as one file), surplus.py, keyset.py (what to delete);
         standins.py, guardian.py, promotion.py (the target is a primary again, whatever happens)
undo     before.py, present.py (what a restore will touch, kept), wayback.py, pairs.py (key by key), aside.py (what waits on disk), libraries.py (functions)
pipe     tally.py, meter.py, compression.py, artifact.py, storage.py, draft.py
Redis    sources/ and completeness.py (is it all) and formats/ at one end, target.py, rights.py (what a user may), writing.py, payloads.py, commands.py,
         flow.py (batches on their way), fence.py (only while the lock is ours),
         loadable.py (what the target loads), report.py, globs.py at the other;
         room.py, needs.py, footprint.py, headroom.py, sampling.py (its memory), aftermath.py (what befell it meanwhile)
ground   broker.py, connection.py, sentinel.py (where it is now), tls.py (why it is not), wire.py, timeouts.py (bounded waits), process.py, proof.py, facts.py, slots.py (of a cluster's node), pace.py (beside live traffic), entries.py, progress.py;
         config.py (settings), fields.py (what each may be), faults.py (what is wrong with it, in words), errors.py
"""

__version__ = "0.1.0"

"""Who hears of it: what is to be said (`message`) is put where the broker keeps it (`outbox`), until each channel has it.

`channels` are those that the settings name, `deliver` brings what waits, `standing` is how it went with each. `sending` has it
done by a process of its own, which is `sender`: `by_apprise` to people, `post` and `signature` to programs. `trial` tries all
of them, `heartbeat` tells of backups to whoever misses them.
"""

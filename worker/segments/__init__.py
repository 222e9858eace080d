"""The replication stream of a source, from one moment to another.

visits/ bring it home: whole commands as frames (frame) in a file of this machine. What is whole of it goes into storage (sealing) as
segments (segment), for as long as a moment needs them (keeping). Segments that follow each other are a stretch (chain), and a stretch
with a backup by replication in it (bases) gives back any moment behind that backup (moments) as a recording of commands (cutting),
which playing/ makes a backup of again.
"""

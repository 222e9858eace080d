"""The replication stream of a source, as it is brought home by visits.

A visit asks the source for what has come since the last one, and appends it as frames to a local file (growing); each hour that
becomes a segment. Segments that follow each other are a stretch, and a stretch with a backup by replication in it is a chain, which
gives back any moment behind that backup.
"""

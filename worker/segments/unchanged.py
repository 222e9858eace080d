"""Whether a file of storage is still what its signed document says: read once, and again only where the file is another one."""

import os
from typing import BinaryIO

from worker.errors import ArtifactError
from worker.repository.checksum import Meter
from worker.storage import chunks_of

_MOST_KNOWN = 10_000
_known: set[tuple[str, int, int, int, int]] = set()
"""Those that were read by this process, by what the file system says of them: who writes to one changes its ctime."""


def check_unchanged(file: BinaryIO, name: str, sha256: str) -> None:
    """ArtifactError where the file is not what was written. Leaves it at its start."""
    said = os.fstat(file.fileno())
    key = (sha256, said.st_dev, said.st_ino, said.st_size, said.st_ctime_ns)
    if key in _known:
        return
    meter = Meter()
    for _ in meter.watch(chunks_of(file)):
        pass
    file.seek(0)
    if meter.sha256 != sha256:
        raise ArtifactError(f"{name} has changed since it was written.", of=name)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known.add(key)

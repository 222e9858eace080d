"""Where files lie: what is written becomes visible whole, by its name, or not at all.

interface.py says what a storage is, local.py is the one that is a folder; another kind, such as S3, is a module beside it and
a line in MEMBERS. tempfiles.py has what no storage keeps. In comes the setting BACKUP_STORAGE, out comes a Storage: nobody
else knows a path.
"""

from collections.abc import Callable

from worker.storage.interface import READ_BYTES, Draft, Readable, Storage, StoredFile, Stream, chunks_of
from worker.storage.local import folder, write_new

__all__ = [
    "MEMBERS",
    "READ_BYTES",
    "Draft",
    "Readable",
    "Storage",
    "StoredFile",
    "Stream",
    "chunks_of",
    "open_storage",
    "write_new",
]

MEMBERS: dict[str, Callable[[str], Storage]] = {"file": folder}
"""By the scheme of an address what gives the storage there; one more kind of storage is one more line."""


def open_storage(url: str) -> Storage:
    """The storage that `BACKUP_STORAGE` names: a folder, plain or as file://."""
    scheme = url.partition("://")[0] if "://" in url else "file"
    return MEMBERS[scheme](url)

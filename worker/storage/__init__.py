"""Where files lie: what is written becomes visible whole, by its name, or not at all.

interface.py says what a storage is, local.py is the one that is a folder, remote.py one that is made of a bucket (bucket.py):
cloud.py has those of S3, Google and Azure, rclone/ those of SFTP, WebDAV, Google Drive and what else rclone knows. Another kind is a module
beside these and a line in MEMBERS. versions/ has what a bucket keeps of files that were written over or deleted, tempfiles.py
what no storage keeps. In comes the setting BACKUP_STORAGE, out comes a Storage: nobody else knows a path.
"""

from collections.abc import Callable

from worker.config.storage_url import BY_RCLONE, CLOUD
from worker.storage.cache import the_cache
from worker.storage.interface import (
    READ_BYTES,
    Begun,
    Distant,
    Draft,
    Readable,
    Storage,
    StoredFile,
    Stream,
    chunks_of,
    require,
)
from worker.storage.local import folder, write_new
from worker.storage.remote import Remote

__all__ = [
    "MEMBERS",
    "READ_BYTES",
    "Begun",
    "Distant",
    "Draft",
    "Readable",
    "Storage",
    "StoredFile",
    "Stream",
    "chunks_of",
    "open_storage",
    "require",
    "write_new",
]


def cloud(url: str) -> Storage:
    """The storage of s3://, gs:// or az://."""
    # What speaks to these is loaded only where there is one: a folder needs none of it.
    from worker.storage.cloud import bucket  # noqa: PLC0415

    return Remote(bucket(url), the_cache(), url)


def by_rclone(url: str) -> Storage:
    """The storage of sftp://, webdav://, webdavs://, gdrive:// or rclone://."""
    from worker.storage.rclone.bucket import bucket  # noqa: PLC0415

    return Remote(bucket(url), the_cache(), url)


MEMBERS: dict[str, Callable[[str], Storage]] = {
    "file": folder,
    **dict.fromkeys(CLOUD, cloud),
    **dict.fromkeys(BY_RCLONE, by_rclone),
}
"""By the scheme of an address what gives the storage there; one more kind of storage is one more line."""


def open_storage(url: str) -> Storage:
    """The storage that `BACKUP_STORAGE` names: a folder, plain or as file://, or what lies in a bucket."""
    scheme = url.partition("://")[0] if "://" in url else "file"
    return MEMBERS[scheme](url)

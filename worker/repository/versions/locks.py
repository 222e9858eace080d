"""What a bucket does with a backup that we delete: it may lock it, and it may keep its version."""

from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage import Storage
from worker.storage.versions.kept import Lock, versions_of


def is_kept(storage: Storage, name: str) -> bool:
    """Whether the bucket keeps the bytes of an artifact when it is deleted, so that this frees no room."""
    versions = versions_of(storage)
    now = versions.of(name) if versions else None
    return now is not None and now.id is not None


def lock_of(storage: Storage, name: str) -> Lock | None:
    """What keeps a backup from being destroyed; None where nothing does."""
    versions = versions_of(storage)
    if versions is None or not is_kept(storage, name):
        return None
    return versions.lock(name) or versions.lock(name + MANIFEST_SUFFIX)

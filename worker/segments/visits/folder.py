"""Where the stream of a source lies on this machine until it goes into storage."""

import hashlib
from pathlib import Path

from worker.config.settings import Settings
from worker.repository.scope import scope_of


def folder_of(settings: Settings) -> Path:
    """The folder of the source that these settings name: addresses are no names for folders."""
    address = scope_of(settings).address or ""
    return Path(settings.backup_stream_folder) / hashlib.sha256(address.encode()).hexdigest()[:16]

"""How many keys of a backup a selection means, before anything is compared or written."""

import time
from typing import Any

from worker.arguments.questions import CountArguments
from worker.config.settings import Settings
from worker.formats.encryption import keys_of
from worker.formats.key_text import key_bytes
from worker.progress import Progress
from worker.repository import artifact
from worker.repository.copies.found import Found
from worker.repository.scope import scope_of
from worker.restore.selection.filters import Selected
from worker.restore.selection.held import held, known_as
from worker.search.indexing import index


def count(settings: Settings, arguments: CountArguments, progress: Progress) -> dict[str, Any]:
    """`{name, keys, of}`: keys that are named are looked up in the index; for anything else all names are read, no values.

    Raises NotFoundError, RefusedError for a backup whose keys nobody could count, and ArtifactError.
    """
    clock = time.monotonic()
    with held(settings, arguments.name, scope_of(settings), arguments.storage, progress) as backup:
        index.check_readable(backup.manifest)
        by_name = arguments.keys is not None and not (arguments.match or arguments.exclude or arguments.types)
        number = (_looked_up if by_name else _read)(settings, backup, arguments, progress)
    seconds, name = round(time.monotonic() - clock, 3), known_as(arguments.name, backup.manifest)
    return {"name": name, "keys": number, "of": backup.manifest.keys, "seconds": seconds}


def _looked_up(settings: Settings, backup: Found, arguments: CountArguments, progress: Progress) -> int:
    wanted = {key_bytes(text) for text in arguments.keys or ()}
    databases = [db for db in backup.manifest.keys_by_db if arguments.databases is None or db in arguments.databases]
    with index.opened(backup.storage, backup.manifest, keys_of(settings), progress) as opened:
        return sum(bool(opened.find(db, key)) for db in databases for key in wanted)


def _read(settings: Settings, backup: Found, arguments: CountArguments, progress: Progress) -> int:
    number = 0
    with backup.storage.fetch(backup.manifest.name, progress) as file:
        chunks = artifact.raw_chunks(file, backup.manifest, keys_of(settings))
        for batch in Selected(artifact.reader(chunks, backup.manifest.data_format, values=False), arguments).batches():
            number += len(batch)
            progress("counting", number, None, "keys")
    return number

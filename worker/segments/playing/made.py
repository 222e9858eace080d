"""A moment as an ordinary backup: it is verified, previewed, restored, searched and exported like any other.

It lies in a folder storage of its own in the cache, and is kept there for a while, so that a restore does not play again what
its preview has played.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from worker.config.settings import Settings
from worker.errors import RefusedError, StorageError
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import PLAIN, Encryption, Keys, keys_of
from worker.formats.rdb.reader.census import Census
from worker.formats.tally import Tally
from worker.progress import Progress, Proof, followed, undisputed
from worker.repository import artifact, behalf, catalogue
from worker.repository.check import check
from worker.repository.copies.found import Found
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.writer import New, contents, writing
from worker.segments.bases import is_base
from worker.segments.playing import aof
from worker.segments.playing.choice import choose
from worker.segments.playing.play import dump, playing
from worker.segments.playing.shelf import Shelf
from worker.segments.recording import Recording
from worker.server.scratch import memory, programs
from worker.server.scratch.scratch import Scratch
from worker.storage import Storage, open_storage
from worker.storage.cache import Cache

_PLAYED = "played"
"""The folder that a server loads, within that of the moment, for as long as it does."""
_DISK = 2
"""Times the size of the base: it lies there once as it is, and once as what it has become."""


@contextmanager
def made(settings: Settings, recording: Recording, progress: Progress) -> Iterator[Found]:
    """The moment as a backup, and the storage that it lies in until the end of the block.

    RefusedError where no server of this machine can play it, ScratchError where one could not, StorageError where there is no
    room; what reading the base raises, SealedError where no key here opens it.
    """
    shelf = shelf_of(settings)
    with shelf.held(key_of(recording), partial(_make, settings, recording, progress), progress) as folder:
        storage = open_storage(str(folder))
        (manifest,) = catalogue.read(storage).listed
        yield Found(manifest, storage)


@contextmanager
def kept(settings: Settings, offset: int, history: str) -> Iterator[Found | None]:
    """The moment at that offset of this source and of that history, where it was made and is still there; its chain may have gone since."""
    shelf, address = shelf_of(settings), scope_of(settings).address
    with ExitStack() as block:
        for path in shelf.made():
            storage = open_storage(str(path))
            for manifest in catalogue.read(storage).listed:
                source = manifest.source
                is_it = (source.replication_offset, source.address) == (offset, address) and (
                    (source.replication_id or "").startswith(history)
                )
                if is_it and block.enter_context(shelf.reading(path)):
                    yield Found(manifest, storage)
                    return
        yield None


def shelf_of(settings: Settings) -> Shelf:
    """Where moments lie, by the settings."""
    return Shelf(Cache(Path(settings.backup_cache).absolute(), settings.backup_cache_bytes), settings)


def key_of(recording: Recording) -> str:
    """What makes a moment: the same base, played to the same offset."""
    return hashlib.sha256(f"{recording.base.sha256} {recording.offset}".encode()).hexdigest()[:32]


@contextmanager
def played(settings: Settings, recording: Recording, folder: Path, progress: Progress) -> Iterator[Scratch]:
    """A server that holds what the source held at the moment; `folder`, which is not there yet, is what it loads.

    Raises what `made` raises.
    """
    spare = memory.spare()
    program = choose(recording.base, programs.known(settings.drill_servers), spare)
    _check_room(folder.parent, recording.base)
    try:
        written = write_folder(settings, recording, folder, progress)
        with playing(folder, written, program, progress, spare) as scratch:
            # The server has it in memory by now.
            shutil.rmtree(folder, ignore_errors=True)
            yield scratch
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_folder(settings: Settings, recording: Recording, folder: Path, progress: Progress) -> aof.Written:
    """The folder with the base, which is verified, and the commands: a stock server loads it. Raises what `aof.write` raises."""
    base, keys = recording.base, keys_of(settings)
    check_base(base)
    with recording.storage.fetch(base.name, progress) as file:
        check(file, base, keys, progress)
        content = aof.Content(
            artifact.raw_chunks(file, base, keys), recording.database, recording.commands(), aof.in_one_file(base)
        )
        return aof.write(folder, content, progress)


def check_base(base: Manifest) -> None:
    """RefusedError for a backup that no commands can continue: one that is no snapshot of the whole server."""
    if not is_base(base):
        raise RefusedError(
            f"{base.name} is no snapshot of the whole server by replication: nothing that the source sent continues it."
        ).plain()


def _check_room(folder: Path, base: Manifest) -> None:
    needed, free = _DISK * base.bytes.raw, shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"About {needed / 1e6:,.0f} MB are needed in {folder.parent} to go back to a moment, and {free / 1e6:,.0f} MB are "
            "free: free some space, or set BACKUP_CACHE to another folder."
        )


def _make(settings: Settings, recording: Recording, progress: Progress, folder: Path) -> None:
    """Play it, and keep what is there then."""
    new = New(recording.at, "rdb", COMPRESSIONS["zstd"], _encryption(recording.base, keys_of(settings)))
    with played(settings, recording, folder / _PLAYED, progress) as scratch:
        write_moment(Destination(open_storage(str(folder)), new, "moment_made"), recording, scratch, progress)


@dataclass(frozen=True)
class Destination:
    """Where a moment is written to, as what, and what the log calls that."""

    storage: Storage
    new: New
    event: str
    prove: Proof = undisputed


def write_moment(to: Destination, recording: Recording, scratch: Scratch, progress: Progress) -> Manifest:
    """Write what the server holds, which has played the recording, as a backup. Raises what `Writer.commit` and `dump` raise."""
    tally = Tally()
    with writing(to.storage, to.new) as writer, closing(dump(scratch)) as sent:
        census = Census(sent, tally)
        with closing(census.chunks()) as chunks:
            writer.write(followed(chunks, lambda: progress("writing", tally.keys, None, "keys")))
        fields = _fields(recording, census, tally)
        return writer.commit(to.event, to.prove, progress, **fields, **behalf.manifest_fields())


def _encryption(base: Manifest, keys: Keys) -> Encryption:
    """What was encrypted is so here as well, to our own key; where that does not tell its public half, only we may read it."""
    return (keys.own() if base.encrypted else None) or PLAIN


def _fields(recording: Recording, census: Census, tally: Tally) -> dict[str, Any]:
    base = recording.base
    countable = not census.unreadable and not tally.unknown
    return contents(census, tally, "rdb") | {
        "keys": tally.keys if countable else None,
        "prefixes": tally.prefixes.largest() if countable else None,
        "consistency": "point-in-time",
        "engine": "replication",
        "engine_reason": f"made from {base.name} and what the source sent since, up to its offset {recording.offset}",
        "source": base.source.model_copy(
            update={"replication_offset": recording.offset, "replication_id": recording.history}
        ),
        "made_from": base.name,
        "memory": base.memory,
        "warnings": [words(recording), *_of_expiries(recording)],
    }


def _of_expiries(recording: Recording) -> list[str]:
    """In a sentence, how wrong they may be, where they may."""
    if not recording.expiry_error_seconds:
        return []
    return [
        f"Expiries that were set since that backup may be wrong by {recording.expiry_error_seconds:.1f} s: its server sends no absolute ones."
    ]


def words(recording: Recording) -> str:
    """Which moment it is, and what it was made of, as a sentence."""
    made_from = f"made from {recording.base.name} and what was sent since, up to offset {recording.offset}"
    return f"It is the source at {moment_of(recording)}, {made_from}."


def moment_of(recording: Recording) -> str:
    """When that is, and how exactly anybody knows it."""
    return f"{recording.at:%Y-%m-%d %H:%M:%S} UTC ± {recording.accuracy_seconds:g} s"

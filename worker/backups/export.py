"""A backup, or any RDB file, as the portable JSON document: for people, `jq`, and other servers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from worker.backups.adopt import opened
from worker.config.settings import Settings
from worker.errors import StorageError, UsageError
from worker.formats import portable
from worker.formats.allowance import Allowance
from worker.formats.compression import COMPRESSIONS, Compression
from worker.formats.encryption import keys_of
from worker.formats.tally import Counted, Tally
from worker.progress import Progress, reported
from worker.repository import artifact
from worker.repository.check import check
from worker.repository.checksum import Meter
from worker.repository.copies.found import fetched
from worker.repository.scope import scope_of
from worker.restore.selection.held import held
from worker.storage import chunks_of, write_new

STDOUT = Path("-")


def export(  # noqa: PLR0913, PLR0917 - what, where to, and two that few need
    settings: Settings,
    what: str,
    out: Path | None,
    progress: Progress,
    max_size: int | None = None,
    storage: str | None = None,
) -> dict[str, Any]:
    """Write the backup or file `what` as JSON to `out` (`-` is standard output; .gz and .zst compress); what was written.
    A backup comes from the `storage` of that address, or from wherever it lies.

    The default is `<name>.json.gz` in the current folder. Never overwrites. A file that is no backup becomes `max_size` bytes
    at the most, or what one of its size is allowed. Raises ArtifactError, NotFoundError, UsageError.
    """
    opened = (
        _file(settings, Path(what), max_size, progress)
        if Path(what).is_file() and storage is None
        else _backup(settings, what, progress, storage)
    )
    with opened as (reader, name, header):
        target = out or Path(name.partition(".")[0] + ".json.gz")
        tally, stored = Tally(), Meter()
        chunks = portable.write(Counted(reader, tally), header)
        _write(stored.watch(_compression(target).compress(chunks)), target)
    return {"file": str(target), "keys": tally.keys, "bytes": stored.bytes, "sha256": stored.sha256}


_Opened = tuple[artifact.Reader, str, dict[str, object]]
"""What reads the entries, the name of the file, and a header."""


@contextmanager
def _file(settings: Settings, path: Path, max_size: int | None, progress: Progress) -> Iterator[_Opened]:
    with opened(path) as file:
        foreign = artifact.foreign(file, keys_of(settings), max_size, progress)
        allowance = foreign.allowance
        dump = foreign.dump(foreign.stored(progress, "exporting"), allowance)
        with allowance.at_hand():
            yield artifact.reader(dump, foreign.data_format, values=True), path.name, {}


@contextmanager
def _backup(settings: Settings, what: str, progress: Progress, address: str | None) -> Iterator[_Opened]:
    """A backup, which is verified first."""
    with held(settings, what, scope_of(settings), address, progress) as backup:
        manifest, keys = backup.manifest, keys_of(settings)
        verified = partial(check, manifest=manifest, keys=keys, progress=progress)
        with fetched(settings, backup, verified, progress) as file:
            stored = reported(chunks_of(file), progress, "exporting", manifest.bytes.stored)
            packed = artifact.decrypted(stored, manifest, keys)
            dump = artifact.unpacked(packed, manifest.compression, Allowance.of_manifest(manifest.bytes.raw))
            reader = artifact.reader(dump, manifest.data_format, values=True)
            yield reader, manifest.name, artifact.header(manifest.created_at, manifest.source)


def _print(chunks: Iterator[bytes]) -> None:
    try:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Nobody reads on, and Python would fail once more when it flushes its buffer at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StorageError(f"Standard output takes no more ({error.strerror}): the document is not whole.") from None


def _compression(target: Path) -> Compression:
    return next(
        (each for each in COMPRESSIONS.values() if each.suffix and target.name.endswith(each.suffix)),
        COMPRESSIONS["none"],
    )


def _write(chunks: Iterator[bytes], target: Path) -> None:
    if target == STDOUT:
        _print(chunks)
        return
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}: make it first, or name another file with -o.")
    if target.exists():
        raise UsageError(f"{target} exists already: name another file with -o, or move it away.")
    write_new(target, chunks)

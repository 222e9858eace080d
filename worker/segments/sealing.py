"""Files of the stream that nothing more comes into go into storage, and to the other storages: encrypted and signed like a backup."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, StorageError
from worker.formats.encryption import encryption_of
from worker.logs import log
from worker.progress import Progress, reported
from worker.repository.checksum import Meter
from worker.repository.manifest import NAMES_TRIED, Encrypted
from worker.segments.frame import Frame, commands_of, frames_of, opening_of
from worker.segments.segment import SEGMENT_SUFFIX, Segment, add, described, segments_in
from worker.segments.visits.folder import folder_of
from worker.segments.visits.growing import WHOLE
from worker.storage import Storage, chunks_of, open_storage


def seal(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Bring each whole file into storage, and whatever is missing in the other storages there: `{sealed, copied, warnings}`.

    StorageError where the storage takes nothing: the files stay where they are, and moments are made from them all the same.
    """
    storage = open_storage(settings.backup_storage)
    waiting = sorted(folder_of(settings).glob(f"*{WHOLE}"))
    there, _ = segments_in(storage) if waiting or settings.backup_copies else ([], [])
    sealed: list[Segment] = []
    damaged = []
    for path in waiting:
        try:
            if (segment := _store(settings, storage, path, there, progress)) is not None:
                sealed.append(segment)
        except ArtifactError as error:
            # Those behind it are good.
            log.warning("stream_damaged", file=path.name)
            damaged.append(f"{path.name} of BACKUP_STREAM_FOLDER is damaged, and stays there. {error}")
    copied, warnings = _copy(settings, storage, [*there, *sealed], progress)
    return {"sealed": [segment.name for segment in sealed], "copied": copied, "warnings": [*damaged, *warnings]}


def _store(
    settings: Settings, storage: Storage, path: Path, there: list[Segment], progress: Progress
) -> Segment | None:
    """What it is in storage; None where one before us has brought it there."""
    with path.open("rb") as file:
        opening = opening_of(file)
        frames = list(_checked(file))
        said = described(opening, frames)
        known = next((each for each in there if each.is_of(said)), None)
        if known is None:
            encryption = encryption_of(settings)
            file.seek(0)
            with storage.draft(_names(path.stem, encryption.suffix), claim=frames[-1].sha256) as draft:
                meter = Meter()
                chunks = reported(chunks_of(file), progress, "storing", path.stat().st_size)
                with closing(encryption.encrypt(chunks)) as stored:
                    for chunk in meter.watch(stored):
                        draft.write(chunk)
                segment = Segment(
                    name=draft.name,
                    **said,
                    stored=meter.bytes,
                    sha256=meter.sha256,
                    encryption="none"
                    if encryption.recipients is None
                    else Encrypted(recipients=list(encryption.recipients)),
                )
                draft.publish()
                add(settings, storage, segment)
            log.info("segment_stored", name=segment.name, commands=sum(segment.commands.values()), bytes=segment.stored)
    path.unlink()
    return None if known else segment


def _names(stem: str, suffix: str) -> Iterator[str]:
    """The name of the file, and others: whose folder was lost may begin where it once began."""
    yield f"{stem}.zst{suffix}"
    yield from (f"{stem}_{number}.zst{suffix}" for number in range(2, NAMES_TRIED))


def _checked(file: Any) -> Iterator[Frame]:
    """The frames, each of them whole. ArtifactError."""
    for frame, place in [*frames_of(file)]:
        commands_of(file, frame, place)
        yield frame


def _copy(settings: Settings, storage: Storage, segments: list[Segment], progress: Progress) -> tuple[int, list[str]]:
    """How many of these segments went to other storages, and a sentence for each of those that takes nothing now."""
    copied, warnings = 0, []
    for address in settings.backup_copies:
        try:
            other = open_storage(address)
            has = {file.name for file in other.files()}
            for segment in segments:
                if segment.name + SEGMENT_SUFFIX not in has:
                    _copy_to(storage, other, segment, progress)
                    copied += 1
        except (StorageError, ArtifactError) as error:
            warnings.append(f"The replication stream could not be copied to all storages. {error}")
    return copied, warnings


def _copy_to(storage: Storage, other: Storage, segment: Segment, progress: Progress) -> None:
    """The same bytes, and then its document."""
    meter = Meter()
    with (
        suppress(NotFoundError),
        storage.open(segment.name) as file,
        other.draft([segment.name], claim=segment.sha256) as draft,
    ):
        for chunk in meter.watch(reported(chunks_of(file), progress, "copying", segment.stored)):
            draft.write(chunk)
        if meter.sha256 != segment.sha256:
            raise ArtifactError(
                f"{segment.name} has changed since it was written: its sha256 differs.", of=segment.name
            )
        draft.publish()
        other.put(segment.name + SEGMENT_SUFFIX, storage.read(segment.name + SEGMENT_SUFFIX))

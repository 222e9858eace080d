"""What there is of a source's stream, at home and in storage: stretches without a gap, and the backups that lie in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from worker.config.settings import Settings
from worker.errors import ArtifactError
from worker.formats.encryption import keys_of
from worker.repository.checksum import Meter
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.segments.bases import bases_of
from worker.segments.frame import Frame, frames_of, opening_of
from worker.segments.segment import Segment, described, segments_in
from worker.segments.unchanged import check_unchanged
from worker.segments.visits import standing as standings
from worker.segments.visits.folder import folder_of
from worker.segments.visits.growing import GROWING, WHOLE
from worker.storage import Storage, chunks_of, open_storage
from worker.storage.tempfiles import temporary

_NOT_STORED = {"name": "", "stored": 0, "sha256": "0" * 64}


@dataclass(frozen=True)
class Part:
    """A file of the stream, in storage or still on this machine."""

    segment: Segment
    path: Path | None
    storage: Storage
    settings: Settings = field(repr=False)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file as it was before it was encrypted. SealedError where no key here opens it, ArtifactError where it has changed."""
        if self.path is not None:
            with self._local() as file:
                yield file
        else:
            with self.storage.fetch(self.segment.name) as file:
                if not self.segment.encrypted:
                    check_unchanged(file, self.segment.name, self.segment.sha256)
                    yield file
                    return
                with self._decrypted(file) as plain:
                    yield plain

    def _local(self) -> BinaryIO:
        """It may have been ended meanwhile, or have gone into storage."""
        path = self.path or Path()
        for candidate in (path, path.with_suffix(WHOLE)):
            try:
                return candidate.open("rb")
            except FileNotFoundError:
                continue
        raise ArtifactError(f"The file {path.name} of the replication stream has just gone into storage: try again.")

    @contextmanager
    def _decrypted(self, file: BinaryIO) -> Iterator[BinaryIO]:
        meter = Meter()
        with temporary() as plain:
            for chunk in keys_of(self.settings).decrypt(meter.watch(chunks_of(file)), self.segment.name):
                plain.write(chunk)
            if meter.sha256 != self.segment.sha256:
                raise ArtifactError(f"{self.segment.name} has changed since it was written.", of=self.segment.name)
            plain.seek(0)
            yield plain

    def frames(self) -> list[tuple[Frame, int]]:
        """What is said of each frame, and where its commands are; read once. Raises what `opened` does."""
        return self._frames

    @cached_property
    def _frames(self) -> list[tuple[Frame, int]]:
        with self.opened() as file:
            opening_of(file)
            return list(frames_of(file))


@dataclass(frozen=True)
class Stretch:
    """Parts that follow each other without a gap, oldest first."""

    parts: tuple[Part, ...]
    bases: tuple[Manifest, ...]
    """The backups that lie in it, oldest first."""
    quiet: tuple[int, int] | None = None
    """The end of it, and when it was last seen there; None where nothing more is known than its last frame says."""

    @property
    def start(self) -> int:
        """The offset where it begins."""
        return self.parts[0].segment.start

    @property
    def end(self) -> int:
        """The offset where it ends."""
        return self.parts[-1].segment.end

    @property
    def first(self) -> int:
        """The offset of the first backup in it, before which there is no moment; its end where there is none."""
        return (self.bases[0].source.replication_offset or 0) if self.bases else self.end

    @property
    def since(self) -> int:
        """When the first moment is that can be made, in milliseconds."""
        return self.points[0][0]

    @property
    def until(self) -> int:
        """When it was last seen to stand at its end."""
        last = self.parts[-1].segment.until
        return max(last, self.quiet[1]) if self.quiet and self.quiet[0] == self.end else last

    def history_at(self, offset: int) -> str | None:
        """The replication id that the source had behind that offset; None where it lies outside."""
        known = [history for part in self.parts for history in part.segment.histories]
        return next((each.id for each in reversed(known) if each.start < offset <= each.end), None)

    @property
    def gap(self) -> str:
        """Why there is nothing right before it, where that is known."""
        return self.parts[0].segment.gap

    @cached_property
    def frames(self) -> list[tuple[Part, Frame, int]]:
        """All of its frames, each with its part and the place of its commands there."""
        return [(part, frame, place) for part in self.parts for frame, place in part.frames()]

    @cached_property
    def points(self) -> list[tuple[int, int]]:
        """When the stream stood where, from the first backup on: milliseconds and offsets, in order.

        When a backup was begun is none of them: its snapshot is of a later moment, which nobody tells.
        """
        points, seen = [(self.until, self.end)], 0
        for part, frame, _ in self.frames:
            points += [(mark.ms, mark.offset) for mark in frame.marks]
            points += [(frame.until, frame.end)]
            # The frames of one visit have the same times: only the first of them begins where the stream stood then.
            if frame.since >= seen and (frame.after or frame.since > part.segment.since):
                points.append((frame.since, frame.start))
            seen = max(seen, frame.until)
        return sorted(point for point in points if point[1] >= self.first)


def stretches(settings: Settings, elsewhere: Storage | None = None) -> tuple[list[Stretch], list[str]]:
    """All that there is of the source's stream, oldest first, and a sentence for each segment that cannot be relied on.

    Of another storage what lies there alone; else what lies at home, and what is still on this machine. StorageError.
    """
    home = open_storage(settings.backup_storage)
    storage = elsewhere or home
    folder, address = folder_of(settings), scope_of(settings).address
    stored, faults = segments_in(storage)
    parts = [Part(segment, None, storage, settings) for segment in stored if segment.address == address]
    quiet = None
    if storage == home:
        there = {(part.segment.begins_behind, part.segment.start, part.segment.ends_at) for part in parts}
        parts += [
            part
            for part in _local(folder, storage, settings, faults)
            if (part.segment.begins_behind, part.segment.start, part.segment.ends_at) not in there
        ]
        known = standings.last(settings)
        # Of a source that cannot be followed nobody knows whether it still stands there.
        quiet = (known.offset, known.ms) if known and known.follows else None
    bases = bases_of(settings, storage)
    return [Stretch(tuple(ones), tuple(_within(ones, bases)), quiet) for ones in _linked(parts)], faults


def readable(stretch: Stretch, faults: list[str]) -> list[Stretch]:
    """What of it can be read: a part that is damaged is a gap in it, with a sentence in `faults`. Raises SealedError, StorageError."""
    lines: list[list[Part]] = [[]]
    for part in stretch.parts:
        try:
            part.frames()
            lines[-1].append(part)
        except ArtifactError as error:
            faults.append(str(error))
            lines.append([])
    if len(lines) == 1:
        return [stretch]
    bases = list(reversed(stretch.bases))
    return [Stretch(tuple(line), tuple(_within(line, bases)), stretch.quiet) for line in lines if line]


def _local(folder: Path, storage: Storage, settings: Settings, faults: list[str]) -> Iterator[Part]:
    for path in sorted([*folder.glob(f"*{WHOLE}"), *folder.glob(f"*{GROWING}")]):
        try:
            with path.open("rb") as file:
                opening = opening_of(file)
                frames = [frame for frame, _ in frames_of(file)]
        except FileNotFoundError:
            continue  # it has just gone into storage
        except ArtifactError:
            faults.append(f"{path.name} of BACKUP_STREAM_FOLDER is damaged: the stream has a gap there.")
            continue
        if frames:
            yield Part(Segment.model_validate(_NOT_STORED | described(opening, frames)), path, storage, settings)


def _linked(parts: list[Part]) -> list[list[Part]]:
    """Each begins where nothing is known that it goes on from."""
    # Of two that go on from the same place, because two machines visit, the longer one.
    following = {part.segment.begins_behind: part for part in sorted(parts, key=lambda part: part.segment.end)}
    following.pop(None, None)
    ends = {part.segment.ends_at for part in parts}
    lines: list[list[Part]] = []
    for part in parts:
        if part.segment.begins_behind in ends:
            continue
        line = [part]
        while (after := following.get(line[-1].segment.ends_at)) is not None and after.segment.end > line[
            -1
        ].segment.end:
            line.append(after)
        lines.append(line)
    return sorted(lines, key=lambda line: (line[0].segment.since, line[0].segment.start))


def _within(parts: list[Part], bases: list[Manifest]) -> Iterator[Manifest]:
    """The backups of these histories, oldest first."""
    for base in reversed(bases):
        offset = base.source.replication_offset or 0
        for part in parts:
            if any(
                history.id == base.source.replication_id and history.start <= offset <= history.end
                for history in part.segment.histories
            ):
                yield base
                break

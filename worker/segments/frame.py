"""A frame: some whole commands of the stream, compressed, behind a line that says what they are.

The line is JSON in a skippable frame of zstd (RFC 8878, 3.1.2: magic number 0x184D2A50, four bytes of size), so that
`zstd -d < segment` gives the commands alone, and whoever wants to know what is where reads the lines.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.errors import ArtifactError
from worker.formats.compression import COMPRESSIONS, zstd_frame
from worker.segments.marks import Count, Mark, Milliseconds

_MAGIC = 0x184D2A50
_PREFIX = struct.Struct("<II")
MOST_BYTES_OF_A_LINE = 1 << 20


class Frame(BaseModel):
    """What is said of a frame; a later version may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    after: str = Field(pattern="^([0-9a-f]{64})?$")
    """The sha256 of the frame before it; empty where a stretch begins."""
    history: str
    """The replication id that the source had."""
    start: Count
    """The offset that the source's stream had before the first byte."""
    end: Count
    db: Count | None
    """The database that is selected before the first command; None where nobody knows it."""
    db_after: Count | None
    """The same behind the last command."""
    since: Milliseconds
    """The commands were run after that, and before `until`."""
    until: Milliseconds
    stored: Count
    """Bytes of the compressed commands."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the compressed commands, in hexadecimal."""
    commands: dict[str, Count]
    """How many there are of each, by name in capitals, those that change nothing left out."""
    deleted: Count = 0
    """Keys that were deleted by name: also how an expiry shows."""
    largest: Count = 0
    """Bytes of the largest command."""
    keys: str = ""
    """A filter of the keys that are touched (formats/commands/filters.py)."""
    marks: tuple[Mark, ...] = ()
    """When the stream stood where, besides at the start and the end."""
    counts: dict[Count, Count] | None = None
    """The keys of each database at the end, as the source counted them; None where it did not."""

    @property
    def size(self) -> int:
        """Bytes of the commands, as the source sent them."""
        return self.end - self.start


class Opening(BaseModel):
    """What stands before the first frame of a file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    segment: int = 1
    """The version of the format."""
    address: str
    server: str
    version: str
    relative: bool = False
    """Whether expiries count from when the source ran a command, as 6.2 sends them."""
    after: str = ""
    """The sha256 of the frame before the first one."""
    history: str
    start: Count
    db: Count | None
    since: Milliseconds
    gap: str = ""
    """Why the stretch before it ended, where it begins a new one; empty where it goes on."""
    gap_since: Milliseconds = 0
    """The last moment before that gap."""
    first: Count
    """The offset where its stretch began."""
    first_ms: Milliseconds
    """When that was."""


def line(document: Frame | Opening) -> bytes:
    """What is said, as a skippable frame."""
    text = document.model_dump_json(exclude_defaults=isinstance(document, Frame)).encode()
    return _PREFIX.pack(_MAGIC, len(text)) + text


def packed(commands: list[bytes]) -> tuple[bytes, str]:
    """The commands compressed, and the sha256 of that."""
    content = zstd_frame(commands)
    return content, hashlib.sha256(content).hexdigest()


def opening_of(file: BinaryIO) -> Opening:
    """What a segment says at its start; ArtifactError where it is none. Leaves the file behind that."""
    text = _line(file)
    try:
        return Opening.model_validate_json(text or b"")
    except ValidationError:
        raise ArtifactError("This is no segment of a replication stream, or its start is damaged.") from None


def frames_of(file: BinaryIO) -> Iterator[tuple[Frame, int]]:
    """Yield each frame behind where the file stands, with the place of its commands; those are passed over.

    It ends where no whole line follows. ArtifactError where a line is not what was written.
    """
    size = file.seek(0, 1), file.seek(0, 2)
    file.seek(size[0])
    while (text := _line(file)) is not None:
        try:
            frame = Frame.model_validate_json(text)
        except ValidationError:
            raise ArtifactError("A segment of the replication stream is damaged: a line of it says nothing.") from None
        place = file.tell()
        if place + frame.stored > size[1]:
            return
        yield frame, place
        file.seek(place + frame.stored)


def commands_of(file: BinaryIO, frame: Frame, place: int) -> bytes:
    """The commands of a frame, whole and as they were written. ArtifactError where they are not."""
    file.seek(place)
    content = file.read(frame.stored)
    if hashlib.sha256(content).hexdigest() != frame.sha256:
        raise ArtifactError(f"The replication stream from offset {frame.start:,} to {frame.end:,} is damaged.")
    commands = b"".join(COMPRESSIONS["zstd"].decompress(iter((content,))))
    if len(commands) != frame.size:
        raise ArtifactError(f"The replication stream from offset {frame.start:,} to {frame.end:,} is damaged.")
    return commands


def _line(file: BinaryIO) -> bytes | None:
    """The text of the next line; None at the end, and where a write was cut short."""
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    magic, size = _PREFIX.unpack(prefix)
    if magic != _MAGIC or size > MOST_BYTES_OF_A_LINE:
        raise ArtifactError("A segment of the replication stream is damaged: a frame has no line.")
    text = file.read(size)
    return text if len(text) == size else None

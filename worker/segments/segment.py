"""A segment in storage: a file of frames, and the small document beside it, signed, without which it does not exist."""

import re
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker import __version__
from worker.config.settings import Settings, load
from worker.errors import ArtifactError, DamagedError, ForgedError, UntrustedError
from worker.repository import digest
from worker.repository.manifest import Encrypted
from worker.repository.signing import keys, seal
from worker.repository.signing.trust import Trust, trust_of
from worker.segments.frame import Frame, Opening
from worker.segments.marks import Count, Milliseconds
from worker.storage import Storage

SEGMENT_SUFFIX = ".segment.json"
_OF_THE_FILE = ("address", "after", "last", "histories", "start", "end", "since", "until", "frames")
NAME = re.compile(r"redis_stream_\d{8}_\d{6}_\d+(_\d+)?\.zst(\.age)?")


class History(BaseModel):
    """From where to where the source had that replication id."""

    model_config = ConfigDict(frozen=True)

    id: str
    start: Count
    end: Count


class Joint(NamedTuple):
    """A place where segments meet. The same commands at another place have the same sha256: a source that only sends PING."""

    sha256: str
    offset: int


class Segment(BaseModel):
    """What is said of a segment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    address: str
    server: str
    version: str
    relative: bool
    """Whether expiries count from when the source ran a command, as 6.2 sends them."""
    after: str
    """The sha256 of the frame before its first; empty where a stretch begins."""
    last: str
    """The sha256 of its last frame: a segment goes on where another has ended by that, at that offset."""
    histories: tuple[History, ...]
    start: Count
    end: Count
    """Offsets in the source's replication stream."""
    db: Count | None
    since: Milliseconds
    until: Milliseconds
    gap: str = ""
    """Why the stretch before it ended, where it begins one."""
    frames: Count
    commands: dict[str, Count]
    deleted: Count
    stored: Count
    """Bytes of the file."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the file, in hexadecimal: what `sha256sum` prints."""
    encryption: Literal["none"] | Encrypted = "none"
    tool_version: str
    signer: str | None = None

    @property
    def begins_behind(self) -> Joint | None:
        """Where another segment must end that this one goes on from; None where a stretch begins."""
        return Joint(self.after, self.start) if self.after else None

    @property
    def ends_at(self) -> Joint:
        """Where another one may go on."""
        return Joint(self.last, self.end)

    def is_of(self, said: dict[str, Any]) -> bool:
        """Whether it was made of the file that is `described` so."""
        return all(getattr(self, name) == said[name] for name in _OF_THE_FILE)

    @property
    def encrypted(self) -> bool:
        """Whether only who has a secret key can read it."""
        return self.encryption != "none"


def described(opening: Opening, frames: list[Frame]) -> dict[str, Any]:
    """The fields of a segment that follow from its frames, of which there is one at least."""
    commands: dict[str, int] = {}
    for frame in frames:
        for name, number in frame.commands.items():
            commands[name] = commands.get(name, 0) + number
    return {
        "address": opening.address,
        "server": opening.server,
        "version": opening.version,
        "relative": opening.relative,
        "after": frames[0].after,
        "last": frames[-1].sha256,
        "histories": tuple(histories(frames)),
        "start": frames[0].start,
        "end": frames[-1].end,
        "db": frames[0].db,
        "since": min(opening.since, frames[0].since),
        "until": frames[-1].until,
        "gap": opening.gap,
        "frames": len(frames),
        "commands": commands,
        "deleted": sum(frame.deleted for frame in frames),
        "tool_version": __version__,
    }


def histories(frames: list[Frame]) -> list[History]:
    """The replication ids that these frames were sent under."""
    ids: list[History] = []
    for frame in frames:
        if ids and ids[-1].id == frame.history:
            ids[-1] = ids[-1].model_copy(update={"end": frame.end})
        else:
            ids.append(History(id=frame.history, start=frame.start, end=frame.end))
    return ids


def add(settings: Settings, storage: Storage, segment: Segment) -> None:
    """Write the document beside its file, signed: now the segment exists."""
    signer = keys.own(settings)
    document = segment.model_copy(update={"signer": signer.public}).model_dump_json(indent=2)
    storage.put(segment.name + SEGMENT_SUFFIX, seal.signed(document, signer))


def segments_in(storage: Storage) -> tuple[list[Segment], list[str]]:
    """The segments of a storage, by their start in time, and a sentence for each that cannot be relied on."""
    segments: list[Segment] = []
    faults, trust = [], trust_of(load(), storage)
    names = {file.name for file in storage.files()}
    for name in sorted(name.removesuffix(SEGMENT_SUFFIX) for name in names if name.endswith(SEGMENT_SUFFIX)):
        if name not in names:
            faults.append(f"The file of {name} is gone: the stream has a gap there.")
            continue
        try:
            segments.append(read(storage, name, trust))
        except ArtifactError as error:
            faults.append(str(error))
    return sorted(segments, key=lambda segment: (segment.since, segment.start)), faults


def read(storage: Storage, name: str, trust: Trust) -> Segment:
    """The segment of that name. DamagedError, ForgedError, UntrustedError."""
    text = digest.opened(storage.read(name + SEGMENT_SUFFIX))
    signed = None if text is None else seal.apart(text)
    if signed is None:
        raise DamagedError(f"The description of {name} is damaged: the stream has a gap there.", of=name)
    try:
        segment = Segment.model_validate_json(signed.document)
    except ValidationError:
        raise DamagedError(f"The description of {name} is damaged, or of a later version of this program.") from None
    if segment.signer is None or not keys.is_signed(signed.content, signed.signature, segment.signer):
        raise ForgedError(f"The description of {name} is forged: its signature is not of what it says.", of=name)
    if segment.name != name or not NAME.fullmatch(name):
        raise DamagedError(f"The description of {name} is of another segment: it was renamed or swapped.", of=name)
    if trust.signers is not None and segment.signer not in trust.signers:
        raise UntrustedError(
            f"{name} is signed by {segment.signer}, which is not trusted here: it is not read.", of=name
        )
    return segment

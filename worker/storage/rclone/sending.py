"""A file on its way to a place that rclone reaches: it has its name there when all of it is.

It is sent under a hidden name, looked at, and moved; where rclone says that a place shows no half file, it goes there at once.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from worker.errors import NotFoundError, StorageError
from worker.progress import Proof
from worker.storage.rclone.copying import Sum, copied, readable
from worker.storage.rclone.link import ANSWER_SECONDS, Link
from worker.storage.rclone.reading import found, look, pieces
from worker.storage.rclone.refusals import translated

_SUMMED_BYTES, _SUMMED_FROM = 20 << 20, 8 << 20
"""How much a server sums up in a second at the least, and how large a file must be for that to be sooner done than reading it."""


@dataclass(frozen=True)
class Sent:
    """A file of this machine that is to be there under a name."""

    name: str
    file: BinaryIO
    size: int
    over: bool = False
    """Whether it replaces another."""
    content: bytes | None = None
    """All of it, where it is small."""


def send(link: Link, what: Sent, prove: Proof) -> bool:
    """Bring it there, whole or not at all; whether the place has told that it holds these very bytes."""
    traits = link.traits()
    hides = traits.hides_over if what.over else traits.hides_new
    there = f".{what.name.lstrip('.')}.{secrets.token_hex(8)}.partial" if hides else what.name
    try:
        total = _copy(link, what, there, prove)
        vouched = _has_arrived(link, what, there, total)
        prove()
        if hides:
            _move(link, there, what.name)
    except BaseException:
        if hides:
            with suppress(StorageError, NotFoundError):
                link.ask_once("delete", "deletefile", there, remote=there)
        raise
    return vouched


def _copy(link: Link, what: Sent, there: str, prove: Proof) -> str:
    """The checksum of what was sent."""
    summed = Sum(what.file, link.traits().sum or "md5")
    with readable(what.file) as (folder, source), translated(link.address, "write"):
        paths = {"srcFs": folder, "srcRemote": source, "dstFs": link.at.root, "dstRemote": there}
        # What is new is not looked for; what is replaced is, where a second file of that name could be.
        config = link.config(Inplace=True, IgnoreChecksum=True, IgnoreTimes=True, NoCheckDest=there != what.name)
        copied(link.daemon(), paths | {"_config": config}, summed, prove)
    return summed.hex


def _has_arrived(link: Link, what: Sent, there: str, total: str) -> bool:
    """Whether the place says that it has the right bytes. StorageError where it has others."""
    thing = look(link, there)
    if thing is None or thing.size != what.size:
        held = f"{thing.size:,} bytes" if thing else "nothing"
        raise StorageError(
            f"{link.address} was sent {what.size:,} bytes of {what.name}, and holds {held} of it: it was given up.",
            of=what.name,
        )
    if what.content is None:
        return _sum_of(link, there, what.size) == total
    if b"".join(pieces(link, found(link, there))) != what.content:
        raise StorageError(
            f"{link.address} gives other bytes back than it was given as {what.name}: it was given up.", of=what.name
        )
    return True


def _sum_of(link: Link, name: str, size: int) -> str | None:
    """What the place itself finds as the checksum; None where it finds none in time."""
    if (kind := link.traits().sum) is None or size < _SUMMED_FROM:
        return None
    options = {"showHash": True, "hashTypes": [kind], "noMimeType": True}
    with suppress(StorageError, NotFoundError), translated(link.address, "read", name):
        seconds = ANSWER_SECONDS + size / _SUMMED_BYTES
        answer = link.daemon().ask("operations/stat", seconds, fs=link.at.root, remote=name, opt=options)
        return ((answer["item"] or {}).get("Hashes") or {}).get(kind)
    return None


def _move(link: Link, there: str, name: str) -> None:
    paths = {"srcFs": link.at.root, "srcRemote": there, "dstFs": link.at.root, "dstRemote": name}
    # Otherwise rclone would delete what lies there first, and then move.
    link.ask_once("write", "movefile", **paths, _config=link.config(NoCheckDest=True))

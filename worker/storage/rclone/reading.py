"""What lies in a place that rclone reaches, and its bytes as they come."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from typing import Any

from worker.errors import NotFoundError
from worker.storage.bucket import Thing
from worker.storage.interface import READ_BYTES
from worker.storage.rclone.link import ANSWER_SECONDS, Link

_SETTLED_SECONDS = 2
"""As long as that after a change the next one might bear the same time."""
_RESUMES = 5
"""How often a download that breaks off is taken up again with nothing having come since."""


def listed(link: Link) -> list[Thing]:
    """All that lies there, and nothing of what lies deeper."""
    items = link.ask_soon("list", "list", remote="", opt=link.options() | {"filesOnly": True})["list"]
    return [_thing(item) for item in items]


def look(link: Link, name: str, *, soon: bool = False) -> Thing | None:
    """What is known of that file; None where there is none."""
    ask = link.ask_soon if soon else link.ask
    try:
        item = ask("read", "stat", name, remote=name, opt=link.options())["item"]
    except NotFoundError:
        return None
    return _thing(item) if item and not item["IsDir"] else None


def found(link: Link, name: str, *, soon: bool = False) -> Thing:
    """The same, or NotFoundError."""
    if (thing := look(link, name, soon=soon)) is None:
        raise NotFoundError(f"There is no file {name} in {link.address}.", of=name)
    return thing


def pieces(link: Link, thing: Thing, at: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from there on, up to `end`; they end too early where it cannot be read so far."""
    failed, end = 0, thing.size if end is None else min(end, thing.size)
    while at < end and failed <= _RESUMES:
        if failed and not _is_the_same(look(link, thing.name), thing):
            raise replaced(link, thing.name)
        failed += 1
        with _got(link, thing, at, end) as answer, suppress(OSError, HTTPException):
            while at < end and (piece := answer.read(min(READ_BYTES, end - at))):
                at, failed = at + len(piece), 1
                yield piece


def _got(link: Link, thing: Thing, at: int, end: int) -> HTTPResponse:
    path = f"[{link.at.root}]/{thing.name}"
    of = None if (at, end) == (0, thing.size) else (at, end)
    answer = link.tried(link.patient, "read", thing.name, lambda daemon: daemon.get(path, ANSWER_SECONDS, of))
    if answer.length != end - at:
        answer.close()
        raise replaced(link, thing.name)
    return answer


def replaced(link: Link, name: str) -> NotFoundError:
    """What is said where another file has that name by now."""
    return NotFoundError(f"The file {name} in {link.address} has been replaced meanwhile.", of=name)


def _is_the_same(now: Thing | None, thing: Thing) -> bool:
    return now is not None and (now.size, now.modified) == (thing.size, thing.modified)


def _thing(item: dict[str, Any]) -> Thing:
    modified = datetime.fromisoformat(item["ModTime"]).astimezone(UTC)
    sums = item.get("Hashes") or {}
    version = " ".join([item["ModTime"], str(item["Size"]), *sums.values()])
    is_settled = bool(sums) or abs((datetime.now(UTC) - modified).total_seconds()) > _SETTLED_SECONDS
    return Thing(item["Name"], item["Size"], version if is_settled else None, modified)

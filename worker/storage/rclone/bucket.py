"""A folder that rclone reaches, as a bucket. None of these places can be asked to write only where nothing is."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import BinaryIO

from worker.config.rclone import RcloneLogins
from worker.errors import NotFoundError
from worker.progress import Proof, undisputed
from worker.storage.bucket import Thing
from worker.storage.rclone.link import PATIENT, Link
from worker.storage.rclone.process import program
from worker.storage.rclone.reading import found, listed, look, pieces, replaced
from worker.storage.rclone.remotes import Place, place_at
from worker.storage.rclone.sending import Sent, send
from worker.storage.tempfiles import on_disk, temporary


class RcloneBucket:
    """The files of one folder."""

    follow = None
    readers = 16

    def __init__(self, address: str, at: Place, patient: tuple[float, ...] = PATIENT) -> None:
        self.place = address
        self.exclusive: bool | None = False
        self._link = Link(address, at, patient)
        self._is_there = False

    def things(self) -> list[Thing]:
        """All that lies in it."""
        return listed(self._link)

    def look(self, name: str) -> Thing | None:
        """What is known of that file; None where there is none."""
        return look(self._link, name)

    def upload(self, name: str, file: BinaryIO, size: int, prove: Proof) -> bool:
        """Write a file; whether the place has made the checksum that these bytes have."""
        self._see_that_it_is_there()
        return send(self._link, Sent(name, file, size), prove)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file where there is none, as far as a look can tell."""
        if self.look(name) is not None:
            return False
        self._write(name, content, None)
        return True

    def replace(self, name: str, content: bytes, version: str | None) -> bool:
        """Write a small file in the place of that version, with another time than that had."""
        before = self.look(name)
        if version and (before is None or before.version != version):
            return False
        self._write(name, content, before)
        return True

    def _write(self, name: str, content: bytes, before: Thing | None) -> None:
        self._see_that_it_is_there()
        with temporary() as file:
            with on_disk():
                file.write(content)
                file.flush()
                if before is not None:
                    later = max(time.time(), before.modified.timestamp() + 1)
                    os.utime(file.fileno(), (later, later))
            send(self._link, Sent(name, file, len(content), before is not None, content), undisputed)

    def read(self, name: str, most: int) -> tuple[Thing, bytes]:
        """A small file, and its content."""
        thing = found(self._link, name, soon=True)
        return thing, b"".join(pieces(self._link, thing)) if thing.size <= most else b""

    def download(self, name: str, start: int = 0, version: str | None = None) -> tuple[Thing, Iterator[bytes]]:
        """A file, and its bytes from there on, in pieces."""
        thing = found(self._link, name)
        if version and thing.version != version:
            raise replaced(self._link, name)
        return thing, pieces(self._link, thing, start)

    def part(self, thing: Thing, start: int, size: int) -> bytes:
        """That many bytes of that very file from there on."""
        return b"".join(pieces(self._link, thing, start, start + size))

    def delete(self, names: list[str], *, soon: bool = False) -> None:
        """Delete these, whether or not they are there."""
        ask = self._link.ask_soon if soon else self._link.ask
        for name in names:
            with suppress(NotFoundError):
                ask("delete", "deletefile", name, remote=name)

    def _see_that_it_is_there(self) -> None:
        """rclone would make the folder: also where the disk is not mounted that should hold it."""
        at = self._link.at
        above, _, last = at.folder.rstrip("/").rpartition("/")
        if not self._is_there and last and self._link.traits().has_folders:
            fs = f"{at.remote}:{above or at.folder[: at.folder.startswith('/')]}"
            if not self._link.ask("list", "stat", fs=fs, remote=last, opt={"noMimeType": True})["item"]:
                # A link to a folder is none to that look, and this fails where there is nothing.
                self.things()
        self._is_there = True


@cache
def _kept(place: str, logins: RcloneLogins) -> RcloneBucket:
    program()
    return RcloneBucket(place, place_at(place, logins))


def bucket(place: str) -> RcloneBucket:
    """The one at that address, with the credentials of now. UsageError where these, or rclone, are missing."""
    return _kept(place, RcloneLogins())

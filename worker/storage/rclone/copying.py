"""Bytes of a file of this machine on their way to a place, by rclone; it reads the file itself, so nobody feeds it."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from worker.progress import Proof
from worker.storage.rclone.daemon import Daemon, RefusedError, SilentError
from worker.storage.tempfiles import on_disk

_ANSWER_SECONDS = 30
_STALLED_SECONDS = 120
"""How long nothing may go on: rclone itself gives up sooner."""
_SOONEST, _LATEST = 0.005, 0.5
_STEP_BYTES = 4 << 20
_OPENED = Path("/proc/self/fd")


@contextmanager
def readable(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Where another process finds an open file: as a folder of rclone's, and a name in it."""
    if _OPENED.is_dir():
        yield f":local,copy_links=true:/proc/{os.getpid()}/fd", str(file.fileno())
        return
    with on_disk(), tempfile.NamedTemporaryFile() as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy)
        copy.flush()
        yield f":local:{Path(copy.name).parent}", Path(copy.name).name


class Sum:
    """The checksum of a file, made step by step while something else goes on."""

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self.file, self._sum, self._at = file, hashlib.new(kind, usedforsecurity=False), 0

    def step(self) -> bool:
        """Take in some more; False at the end."""
        piece = os.pread(self.file.fileno(), _STEP_BYTES, self._at)
        self._sum.update(piece)
        self._at += len(piece)
        return bool(piece)

    @property
    def hex(self) -> str:
        """Of what was taken in."""
        return self._sum.hexdigest()


def copied(daemon: Daemon, job: dict[str, Any], summed: Sum, prove: Proof) -> None:
    """Do that copy, sum the file up meanwhile, and ask for proof; where the file stands then is how much has gone out.

    RefusedError, SilentError, and whatever `prove` raises.
    """
    started = daemon.ask("operations/copyfile", _ANSWER_SECONDS, _async=True, **job)
    number, wait, moved, since = started["jobid"], _SOONEST, -1, time.monotonic()
    try:
        while not (state := daemon.ask("job/status", _ANSWER_SECONDS, jobid=number))["finished"]:
            prove()
            if not summed.step():
                time.sleep(wait)
                wait = min(wait * 2, _LATEST)
            now = daemon.ask("core/stats", _ANSWER_SECONDS, group=f"job/{number}").get("bytes", 0)
            if now != moved:
                moved, since = now, time.monotonic()
                summed.file.seek(moved)
            elif time.monotonic() - since > _STALLED_SECONDS:
                raise SilentError(late=True)
    except BaseException:
        _stop(daemon, number)
        raise
    if not state["success"]:
        raise RefusedError(state["error"], 500)
    summed.file.seek(0, os.SEEK_END)
    while summed.step():
        prove()


def _stop(daemon: Daemon, number: int) -> None:
    """And wait until it has."""
    with suppress(RefusedError, SilentError):
        daemon.ask("job/stop", _ANSWER_SECONDS, jobid=number)
        until = time.monotonic() + _ANSWER_SECONDS
        while not daemon.ask("job/status", _ANSWER_SECONDS, jobid=number)["finished"] and time.monotonic() < until:
            time.sleep(_SOONEST)

"""Commands under strace and libfaketime. Where one is missing a test is skipped at home, and fails in CI."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest


def strace(*injected: str, path: str = "") -> tuple[str, ...]:
    """What to put before a command, so that its system calls go wrong, those of its children too.

    Each is `fsync:error=EIO:when=3` or `rename:signal=SIGKILL:when=1+`, as `strace -e inject=` takes it; with `path`
    only calls that touch this file count.
    """
    names = ",".join(one.partition(":")[0] for one in injected)
    options = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={names}", *(("-P", path) if path else ())]
    return ("strace", *options, *(word for one in injected for word in ("-e", f"inject={one}")))


def faketime(env: Mapping[str, str], moment: str, rate: float = 1) -> dict[str, str]:
    """An environment whose processes believe that it is `moment` (`2026-03-29 00:30:00`, of env's TZ), `rate` times as fast.

    All its clocks are deceived, and what it waits for by them; the world outside, and its sockets, are as they are.
    """
    told = f"@{moment} x{rate:g}" if rate != 1 else f"@{moment}"
    return dict(env) | {"LD_PRELOAD": _libfaketime(), "FAKETIME": told}


def shifted(offset: str) -> dict[str, str]:
    """Settings of a process whose clock is wrong by so much, such as `-1h`, and goes as ours does."""
    return {"LD_PRELOAD": _libfaketime(), "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"}


class Clock:
    """What time it is for the processes that live by it; it goes as ours does, and jumps when it is set, forward only.

    Locks that are waited for with a timeout (threading's) may wait for as long as the clock has jumped.
    """

    def __init__(self, folder: Path, start: datetime) -> None:
        self._file = folder / "clock"
        self.set(start)

    def set(self, moment: datetime) -> None:
        """From now on it is this moment."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"+{round(moment.timestamp() - time.time())}\n")
        beside.replace(self._file)

    def env(self, env: Mapping[str, str]) -> dict[str, str]:
        """An environment whose processes live by it."""
        ours = {"FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1"}
        return dict(env) | {"LD_PRELOAD": _libfaketime()} | ours


def needs_strace() -> None:
    """Skip, or fail, where strace is missing or may not trace."""
    if shutil.which("strace") is None:
        _missing("There is no strace here: apt install strace.")
    if subprocess.run([*strace("fsync:error=EIO"), "true"], capture_output=True, check=False).returncode:
        _missing("strace may not trace here: the container wants the capability SYS_PTRACE.")


def needs_faketime() -> None:
    """Skip, or fail, where libfaketime is missing."""
    if not _libfaketime():
        _missing("There is no libfaketime here: apt install faketime.")


@cache
def _libfaketime() -> str:
    """Its path, by Debian's convention or as `faketime` finds it."""
    # Of its two builds the one for programs with threads.
    found = [
        *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
        *Path("/usr/lib").glob("faketime/libfaketimeMT.so.1"),
    ]
    return str(found[0]) if found else ""


def _missing(words: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(words)

"""The machine that it ran on, and which code; nothing that tells whose it is."""

import os
import platform
import re
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from benchmarks.place import ROOT
from benchmarks.results import Machine
from benchmarks.servers import tool, version
from local import servers as local
from worker import __version__

PROGRAMS = ("redis-cli", "redis-benchmark", "zstd", "gzip", "redis-dump-go", "rclone", "age")
_NUMBERS = re.compile(r"\d+\.\d+(\.\d+)?")


def look() -> Machine:
    """This one."""
    versions = {"redis-backup": __version__, "Python": platform.python_version(), "redis-server": _of(local.find())}
    versions |= {name: _of(path) if (path := tool(name)) else "not on this machine" for name in PROGRAMS}
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=_line("/proc/cpuinfo", "model name") or platform.machine(),
        memory=int((_line("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) * 1024,
        system=_system(),
        versions=versions,
    )


def code() -> str:
    """A fingerprint of the program as it is now."""
    paths = sorted([*ROOT.glob("worker/**/*.py"), *ROOT.glob("web/**/*.py"), ROOT / "celeryconfig.py"])
    return sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def _of(program: str) -> str:
    said = version(program)
    found = _NUMBERS.search(said)
    return found[0] if found else "unknown"


def _line(path: str, name: str) -> str | None:
    with suppress(OSError):
        for line in Path(path).read_text().splitlines():
            before, colon, after = line.partition(":")
            if colon and before.strip() == name:
                return after.strip()
    return None


def _system() -> str:
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {sys.platform} {platform.release().split('-')[0]}"
    return f"{sys.platform} {platform.release().split('-')[0]}"

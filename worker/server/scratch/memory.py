"""How much memory this machine, or the container that we are in, can give to a server of ours."""

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SHARE = 0.8
"""Of what is free: others need some too."""
_PER_BYTE, _BARE_BYTES = 4, 64 << 20
"""Where nobody has measured it: what a byte of a dump takes in memory, generously, and what a server takes without data."""
_MARGIN = 1.25
_ROOT = Path("/")
_CGROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""Files of the limit and of what is in use, of cgroups of version 2 and 1."""


def spare(root: Path = _ROOT) -> int | None:
    """Bytes that a server of ours may take; None where nobody says it. `root` is where /proc and /sys are."""
    free = [*_of_the_machine(root), *_of_the_containers(root), *_of_the_process()]
    return int(max(0, min(free)) * SHARE) if free else None


def needed(measured: int | None, dump: int) -> int:
    """Bytes that a server would use for data of which the source has used so many (None where nobody has measured that), as
    far as can be told by a dump of so many bytes that is not read.
    """
    return _BARE_BYTES + (int(measured * _MARGIN) if measured is not None else dump * _PER_BYTE)


def too_little(needed: int, spare: int) -> str:
    """That a server would need more than there is; a clause."""
    return f"a server would need about {needed / 1e6:,.0f} MB for it, and only {spare / 1e6:,.0f} MB are free on this machine"


def _of_the_machine(root: Path) -> Iterator[int]:
    with suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                yield int(amount.split()[0]) * 1024


def _of_the_containers(root: Path) -> Iterator[int]:
    """What each cgroup that we are in still allows: the tightest counts."""
    base = root / "sys/fs/cgroup"
    for folder in _folders(root, base):
        for limit, usage in _CGROUPS:
            with suppress(OSError, ValueError):
                # `max` is no number: there is no limit.
                yield int((folder / limit).read_text()) - int((folder / usage).read_text()) + _cache(folder)


def _folders(root: Path, base: Path) -> list[Path]:
    """Ours and those above it; in a container, where its own is shown as the root, that."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/"):
                own = base / line.removeprefix("0::/")
                return [folder for folder in (own, *own.parents) if folder == base or base in folder.parents]
    return [base]


def _cache(folder: Path) -> int:
    """Of what is in use, the pages of files that are given back when somebody needs memory."""
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, amount = line.partition(" ")
            if name == "inactive_file":
                return int(amount)
    return 0


def _of_the_process() -> Iterator[int]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit

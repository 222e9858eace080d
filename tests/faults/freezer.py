"""Processes that are stopped and go on: SIGSTOP and SIGCONT, each waited for, as a signal is only asked for when sent."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import eventually

# Of /proc/<pid>/stat: stopped by a signal, and stopped by who traces it.
_STOPPED = {"T", "t"}
_ENDED = {"Z", "X"}


class Freezer:
    """Freezes processes, and knows which still are."""

    def __init__(self) -> None:
        self._frozen: set[int] = set()

    def freeze(self, *pids: int, whole: bool = False) -> None:
        """Stop these, and all their children with `whole`; returns once every thread of them stands still."""
        for pid in pids:
            # A parent first: one that is about to have a child stands still only once that one runs.
            os.kill(pid, signal.SIGSTOP)
            self._frozen.add(pid)
            _wait_for(pid, stopped=True)
            if whole:
                self.freeze(*children(pid), whole=True)

    def thaw(self, *pids: int, whole: bool = False) -> None:
        """Have these go on, those of them that are still there; returns once they do."""
        meant = [one for pid in pids for one in (family(pid) if whole else [pid])]
        for pid in meant:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self._frozen.discard(pid)
        for pid in meant:
            _wait_for(pid, stopped=False)

    @contextlib.contextmanager
    def frozen(self, *pids: int, whole: bool = False) -> Iterator[None]:
        """For a while."""
        self.freeze(*pids, whole=whole)
        try:
            yield
        finally:
            self.thaw(*pids, whole=whole)

    def thaw_all(self) -> None:
        """Whatever still stands still."""
        self.thaw(*self._frozen)


def _wait_for(pid: int, *, stopped: bool) -> None:
    def reached() -> bool:
        return states(pid) <= _STOPPED | _ENDED if stopped else not states(pid) & _STOPPED

    eventually(reached, f"process {pid} to {'stand still' if stopped else 'go on'}")


def states(pid: int) -> set[str]:
    """The states of all threads of a process; none when it has ended."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            # The name, in brackets, may hold anything.
            found.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def children(pid: int) -> list[int]:
    """The processes that it has begun and that are still there."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    return [pid, *(one for child in children(pid) for one in family(child))]

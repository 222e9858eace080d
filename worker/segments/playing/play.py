"""A scratch server that has loaded a base and its commands, and holds what the source held at the moment.

What has expired since must still be there. A server that loads an AOF lets nothing expire; behind that the active expire cycle
begins, but for a replica, which waits for its primary. So it is the replica of nobody, until that cycle is off.
"""

import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from redis.exceptions import RedisError

from worker.engines.replication import Replication
from worker.errors import BackupSystemError, RefusedError, ScratchError, SourceError
from worker.progress import Progress
from worker.segments.playing.aof import Written
from worker.segments.playing.choice import DATABASES
from worker.server.info import info, number, read_facts
from worker.server.scratch.programs import Program
from worker.server.scratch.scratch import Scratch, Wanted, running
from worker.server.wire import Wire

STALLED_SECONDS, POLL_SECONDS, ASK_SECONDS = 180, 0.05, 10
"""How long a server may load nothing more, how often it is asked, and how long it may take to answer."""
_UNKNOWN = re.compile(r"[Uu]nknown command '([\w.|-]{1,64})'")
_FAILED = re.compile(r"after processing the command '([\w.|-]{1,64})'")
_DAMAGED = ("Bad file format reading the append only file", "Unexpected end of file reading the append only file")


@contextmanager
def playing(
    folder: Path, written: Written, program: Program, progress: Progress, spare: int | None
) -> Iterator[Scratch]:
    """The server that has loaded this folder, in which nothing expires any more. `spare`: what it may use, in bytes.

    ScratchError where it does not come up, does not know a command, or one of them fails; RefusedError where it becomes too large.
    """
    wanted = Wanted(program, 0, max(DATABASES, written.database + 1), folder)
    with running(wanted, partial(_await, progress=progress, spare=spare)) as scratch:
        with scratch.endpoint.translated("loading what was recorded"), Wire(scratch.endpoint) as wire:
            _check(wire, scratch)
            wire.ask(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0")
            wire.ask(b"REPLICAOF", b"NO", b"ONE")
        yield scratch


def dump(scratch: Scratch) -> Generator[bytes]:
    """What it holds, as an RDB file of the lowest version that it can write all of it in. ScratchError where that breaks off."""
    facts = read_facts(scratch.endpoint)
    # A Valkey 9 writes what has no field with an expiry so that others load it too.
    own = facts.server == "valkey" and facts.fields_expire
    try:
        yield from Replication(scratch.endpoint, facts.version if own else "").chunks()
    except SourceError:
        raise ScratchError(
            f"The scratch server ({scratch.program}) went away while it was read: nothing was kept. Is there too little memory?"
        ) from None


def _await(scratch: Scratch, progress: Progress, spare: int | None) -> None:
    """Until it has loaded all. It may take as long as it needs, if only it goes on."""
    loaded, since = -1, time.monotonic()
    while not scratch.has_ended:
        state = _state(scratch)
        _check_memory(state, spare)
        if state.get("loading") == "0":
            return
        now = number(state, "loading_loaded_bytes")
        progress("playing", now, number(state, "loading_total_bytes") or None, "bytes")
        if now != loaded:
            loaded, since = now, time.monotonic()
        if time.monotonic() - since > STALLED_SECONDS:
            raise ScratchError(
                f"The scratch server ({scratch.program}) has loaded nothing for {STALLED_SECONDS} s, and was ended: is the "
                "machine overloaded, or its disk?"
            )
        time.sleep(POLL_SECONDS)
    raise _ended(scratch)


def _state(scratch: Scratch) -> dict[str, str]:
    """What it says of itself; nothing while it does not answer."""
    with suppress(RedisError, OSError, BackupSystemError), Wire(scratch.endpoint.within(ASK_SECONDS)) as wire:
        return info(wire)
    return {}


def _check_memory(state: dict[str, str], spare: int | None) -> None:
    if spare is not None and (used := number(state, "used_memory")) > spare:
        raise RefusedError(
            f"What was recorded needs more than the {spare / 1e6:,.0f} MB that are free on this machine: a server that loaded it "
            f"had {used / 1e6:,.0f} MB, and not all of it. Free some memory, or do it on another machine."
        ).plain()


def _check(wire: Wire, scratch: Scratch) -> None:
    """A command that fails where it succeeded at the source leads to another state, of which no server says a word."""
    failed = {name for name in info(wire, b"errorstats") if name.startswith("errorstat_")} - {"errorstat_LOADING"}
    if failed:
        named = _FAILED.search(scratch.log)
        which = f"the command {named[1].upper()}" if named else "a command"
        raise ScratchError(
            f"The scratch server ({scratch.program}) could not carry out {which} that the source had carried out, so it is not "
            "in the state of that moment: nothing was made. Is it of another version than the source? Name one of the same in "
            "DRILL_SERVERS."
        )


def _ended(scratch: Scratch) -> ScratchError:
    log = scratch.log
    if named := _UNKNOWN.search(log):
        return ScratchError(
            f"The scratch server ({scratch.program}) does not know the command {named[1].upper()} that the source sent: nothing "
            "was made. Install a server of the source's version, or name it in DRILL_SERVERS."
        )
    if any(words in log for words in _DAMAGED):
        return ScratchError(
            f"The scratch server ({scratch.program}) says that what was recorded breaks off, or is no command: nothing was made."
        )
    return ScratchError(
        f"The scratch server ({scratch.program}) ended while it loaded: nothing was made. Was it killed for want of memory, or "
        "is the base of another make?"
    )

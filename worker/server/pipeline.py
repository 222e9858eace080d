"""Many commands in one go, and what their answers mean to a reader of keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from worker.server.replies import raised
from worker.server.wire import Wire, pack

Command = tuple[bytes, ...]


class GoneError(Exception):
    """The key has gone, or has become one of another type, since SCAN named it."""


@dataclass(frozen=True)
class Abilities:
    """What a server knows of expiry: found by asking, as servers of another make give any version number."""

    absolute: bool
    """PEXPIRETIME: Redis 7.0 and newer."""
    fields: bool
    """HPEXPIRETIME: Redis 7.4, Valkey 9, and newer; False also where it was not asked for."""
    newer: bool = False
    """Whether it is Redis 7.0 or newer, also where the user may not call these commands."""


def ask_all(wire: Wire, commands: Iterable[Command]) -> list[Any]:
    """Send all commands, then read all replies; an error reply is returned in its place."""
    packed = [pack(*command) for command in commands]
    wire.send(b"".join(packed))
    return list(wire.replies(len(packed)))


def checked(reply: Any) -> Any:
    """The reply; an error is raised, as GoneError where it means that the key is not what it was."""
    if isinstance(reply, ResponseError) and str(reply).startswith(("WRONGTYPE", "ERR no such key")):
        raise GoneError
    return raised(reply)


def ask(wire: Wire, *command: bytes) -> Any:
    """One command's reply, `checked`."""
    return checked(ask_all(wire, [command])[0])


def abilities(wire: Wire, *, fields: bool) -> Abilities:
    """What the server knows; HPEXPIRETIME is asked for only with `fields`, as a user may lack it who needs it not.

    Raises redis errors.
    """
    asked: list[Command] = [(b"PEXPIRETIME", b"-")] + [(b"HPEXPIRETIME", b"-", b"FIELDS", b"1", b"-")] * fields
    absolute, *rest = ask_all(wire, asked)
    # A server that knows HPEXPIRETIME and forbids it must not lose the fields' expiry in silence.
    known = [not isinstance(reply, ResponseError) or str(reply).startswith(("WRONGTYPE", "NOPERM")) for reply in rest]
    allowed = not isinstance(absolute, ResponseError)
    return Abilities(allowed, any(known), newer=allowed or str(absolute).startswith("NOPERM"))


def no_touch(wire: Wire, able: Abilities) -> None:
    """See to it that what is read over this connection counts as no use of the keys, where the server can do that and
    allows it: by how much each is used a full one chooses what to throw out. Raises redis errors.
    """
    # One that is older notes in its ACL LOG that CLIENT was refused.
    if able.newer:
        wire.try_(b"CLIENT", b"NO-TOUCH", b"ON")


def milliseconds(time: Any) -> int:
    """The reply to TIME, in milliseconds since the epoch. Raises redis errors."""
    seconds, microseconds = raised(time)
    return int(seconds) * 1000 + int(microseconds) // 1000

"""What cannot be what the server sent, for bytes were changed on their way: noticed, and asked for once more.

A payload says of itself what all of its bytes are. Of a number no more can be said than whether it may be there at all.
"""

from typing import Any

from worker.connection import Endpoint, Role
from worker.errors import BackupSystemError
from worker.formats.sealing import FOOTER_BYTES, intact, intact_in_two
from worker.sources.asking import Abilities, Command
from worker.sources.expiry import LEAST, expiry_commands
from worker.wire import Wire, pack

_SHOWN_BYTES = 64
_TWICE = (
    "came damaged from the {}, twice: bytes are changed on the way. Look at the network in between, and use TLS "
    "(rediss://), which notices it."
)


def is_intact(dump: Any, times: list[Any]) -> bool:
    """Whether this may be what a server answered to DUMP, and to `expiry_commands`: a nil and an error may as well."""
    return (dump is None or _is_whole(dump)) and all(map(_is_told, times))


def ask_again(endpoint: Endpoint, db: int, key: bytes, able: Abilities) -> list[Any]:
    """The replies to DUMP and to `expiry_commands` of a key whose first ones were damaged.

    They come over a connection of their own: nobody knows what the damage has done to the other one. Raises the endpoint's
    error where these are damaged as well, and redis errors.
    """
    commands: list[Command] = [(b"DUMP", key), *expiry_commands(key, able)]
    with Wire(endpoint, db) as wire:
        wire.send(b"".join(pack(*command) for command in commands))
        replies = list(wire.replies(len(commands), cut=FOOTER_BYTES))
    if not is_intact(replies[0], replies[1:]):
        raise damaged(endpoint.role, db, key)
    return replies


def function_dump(wire: Wire, role: Role) -> Any:
    """The reply to FUNCTION DUMP, an error too; asked for again where it is damaged, as a payload it is sealed as well."""
    for _ in range(2):
        dump = wire.try_(b"FUNCTION", b"DUMP")
        # Without libraries it is a footer and no more.
        if isinstance(dump, Exception) or (
            isinstance(dump, bytes) and intact_in_two(dump[:-FOOTER_BYTES], dump[-FOOTER_BYTES:])
        ):
            return dump
    raise role.unavailable(f"The function libraries {_TWICE.format(role.name)}")


def damaged(role: Role, db: int, key: bytes) -> BackupSystemError:
    """For a key that came damaged each time."""
    return role.unavailable(f"The key {shown(key)} of database {db} {_TWICE.format(role.name)}")


def shown(key: bytes) -> str:
    """A key in a sentence."""
    return repr(key[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"))


def _is_whole(dump: Any) -> bool:
    if isinstance(dump, tuple):
        return intact_in_two(*dump)
    return isinstance(dump, Exception) or (type(dump) is bytes and intact([dump]))


def _is_told(time: Any) -> bool:
    """Of what is left or when it ends a number, and of the server's clock seconds and microseconds."""
    if isinstance(time, list):
        return len(time) == 2 and all(type(part) is bytes and part.isdigit() for part in time)
    return isinstance(time, Exception) or (type(time) is int and time >= LEAST)

"""What cannot be what the server sent, for bytes were changed on their way: noticed, and asked for once more.

A payload says of itself what all of its bytes are. Of a number no more can be said than whether it may be there at all.
"""

from typing import Any

from worker.errors import BackupSystemError
from worker.formats.rdb.payload import FOOTER_BYTES, is_intact
from worker.server.endpoint import Endpoint, Role
from worker.server.pipeline import Abilities, Command, no_touch
from worker.server.reading.expiry import expiry_commands, is_expiry_reply
from worker.server.wire import Wire, pack

NONSENSE = (ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What Python raises when a damaged reply is read as a sound one."""
_SHOWN_BYTES = 64
_TWICE = (
    "came damaged from the {}, twice: bytes are changed on the way. Look at the network in between, and use TLS "
    "(rediss://), which notices it."
)


def is_whole(dump: Any, times: list[Any]) -> bool:
    """Whether a server may have answered this to DUMP and to `expiry_commands`: also a nil, or an error."""
    return (dump is None or _is_sealed(dump)) and all(map(is_expiry_reply, times))


def ask_again(endpoint: Endpoint, db: int, key: bytes, able: Abilities) -> list[Any]:
    """The replies to DUMP and to `expiry_commands` of a key whose first ones were damaged.

    They come over a connection of their own: nobody knows what the damage has done to the other one. Raises the endpoint's
    error where these are damaged as well, and redis errors.
    """
    commands: list[Command] = [(b"DUMP", key), *expiry_commands(key, able)]
    with Wire(endpoint, db) as wire:
        no_touch(wire, able)
        wire.send(b"".join(pack(*command) for command in commands))
        replies = list(wire.replies(len(commands), cut=FOOTER_BYTES))
    if not is_whole(replies[0], replies[1:]):
        raise damaged(endpoint.role, db, key)
    return replies


def function_dump(wire: Wire, role: Role) -> Any:
    """The reply to FUNCTION DUMP, an error too; asked for again where it is damaged, as a payload it is sealed as well."""
    for _ in range(2):
        dump = wire.try_(b"FUNCTION", b"DUMP")
        # Without libraries it is a footer and no more.
        if _is_sealed(dump) or (isinstance(dump, bytes) and is_intact(b"", dump)):
            return dump
    raise libraries_damaged(role)


def libraries_damaged(role: Role) -> BackupSystemError:
    """For the functions of a server that came damaged each time."""
    return role.unavailable(f"The function libraries {_TWICE.format(role.name)}").plain()


def damaged(role: Role, db: int, key: bytes) -> BackupSystemError:
    """For a key that came damaged each time."""
    twice = _TWICE.format(role.name)
    return role.unavailable(f"The key {shown(key)} of database {db} {twice}").said_outside(f"A key {twice}")


def nonsense(role: Role, db: int, key: bytes) -> BackupSystemError:
    """For a key of which each time something was told that cannot be."""
    subject = f"What the {role.name} tells of"
    why = (
        "makes no sense, twice: bytes are changed on the way, or it answers as no server that this program knows. Look at the "
        "network in between, and use TLS (rediss://)."
    )
    error = role.unavailable(f"{subject} the key {shown(key)} of database {db} {why}")
    return error.said_outside(f"{subject} a key {why}")


def shown(key: bytes) -> str:
    """A key in a sentence."""
    return repr(key[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"))


def _is_sealed(dump: Any) -> bool:
    if isinstance(dump, tuple):
        return is_intact(*dump)
    if type(dump) is bytes:
        return len(dump) > FOOTER_BYTES and is_intact(dump[:-FOOTER_BYTES], dump[-FOOTER_BYTES:])
    return isinstance(dump, Exception)

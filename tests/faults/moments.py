"""When a fault comes about on a line to a server: told by what passes on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """Before the last byte of the nth such command reaches the server; counted on all connections, from when it was set."""

    command: bytes
    nth: int = 1
    of: bytes = b""
    """Its first argument; any, when empty."""

    def __str__(self) -> str:
        return f"{_name(self.command, self.of)}-{self.nth}-on-its-way"


@dataclass(frozen=True)
class Reply:
    """Before byte `at` of the nth reply to such a command; from its end when negative.

    Bytes are counted from behind the length where the reply is a bulk string. Of PSYNC all that comes is its reply.
    """

    command: bytes
    nth: int = 1
    at: int = 0
    of: bytes = b""
    always: bool = False
    """Again at each reply that follows the nth, too."""

    def __str__(self) -> str:
        return f"{_name(self.command, self.of)}-reply-{self.nth}-at-{self.at}"


@dataclass(frozen=True)
class After:
    """When a connection has had so many bytes of answers in all; of several connections, the first to have them."""

    count: int

    def __str__(self) -> str:
        return f"after-{self.count}-bytes" if self.count else "at-once"


Moment = Asked | Reply | After
NOW = After(0)


def _name(command: bytes, of: bytes) -> str:
    return f"{command.decode()} {of.decode()}".strip().replace(" ", "-")

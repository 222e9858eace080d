"""When a key expires: exact where the server has PEXPIRETIME, between two looks at its clock where it has not."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from worker.server.pipeline import Abilities, Command, GoneError, ask_all, checked, milliseconds
from worker.server.wire import Wire

_NO_TIME, _NO_KEY = -1, -2
_CLOSE = 1
_ROUNDS = 4


class Window(NamedTuple):
    """A key expires at one of these moments, or between them; in milliseconds since the epoch."""

    earliest: int
    latest: int

    @property
    def wide(self) -> bool:
        """Whether the server paused between the key and its clock: asked again it may do better."""
        return self.latest - self.earliest > _CLOSE

    def narrowed(self, other: "Window") -> "Window":
        """What both allow. Where that is nothing, the key got another expiry meanwhile, which belongs to another value."""
        both = Window(max(self.earliest, other.earliest), min(self.latest, other.latest))
        return both if both.earliest <= both.latest else self


def is_expiry_reply(time: Any) -> bool:
    """Whether a server may answer this: a number, an error, or the seconds and microseconds of its clock."""
    if isinstance(time, list):
        return len(time) == 2 and all(type(part) is bytes and part.isdigit() for part in time)
    return isinstance(time, Exception) or (type(time) is int and time >= _NO_KEY)


def expiry_commands(key: bytes, able: Abilities) -> list[Command]:
    """How to ask for a key's expiry. Before Redis 7.0 that is the time left, with the server's clock before and after."""
    return [(b"PEXPIRETIME", key)] if able.absolute else [(b"TIME",), (b"PTTL", key), (b"TIME",)]


def expiry(replies: list[Any]) -> Window | None:
    """The replies to `expiry_commands`; None for a key that does not expire.

    Raises GoneError and redis errors, ValueError where no server answers so.
    """
    if not all(map(is_expiry_reply, replies)):
        raise ValueError("no answer to a question about expiry")
    answer = checked(replies[len(replies) // 2])
    if answer == _NO_KEY:
        raise GoneError
    if answer == _NO_TIME:
        return None
    if len(replies) == 1:
        return Window(answer, answer)
    before, _, after = replies
    return Window(answer + milliseconds(before), answer + milliseconds(after))


def exact(wire: Wire, windows: Iterable[tuple[bytes, Window | None]], able: Abilities) -> dict[bytes, int | None]:
    """When each key expires, in milliseconds since the epoch: wide windows are asked for again, a few times at most.

    There must be no reply on its way. Raises redis errors.
    """
    by_key = dict(windows)
    for _ in range(_ROUNDS):
        wide = [(key, window) for key, window in by_key.items() if window is not None and window.wide]
        if not wide:
            break
        replies = ask_all(wire, [command for key, _ in wide for command in expiry_commands(key, able)])
        width = len(replies) // len(wide)
        for index, (key, window) in enumerate(wide):
            # A key that has gone since keeps the expiry that it was read with; so does one with an impossible reply.
            with suppress(GoneError, ValueError):
                again = expiry(replies[index * width : (index + 1) * width])
                by_key[key] = window if again is None else window.narrowed(again)
    return {key: window.latest if window is not None else None for key, window in by_key.items()}

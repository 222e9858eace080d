"""What a reply means: which are errors, of what kind, and which no server gives."""

from typing import Any

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.server.endpoint import ElsewhereError

END = b"\r\n"
"""The end of each line and of a bulk string."""
BROKEN = (RedisError, OSError)
"""What a connection raises when it breaks or gets no answer."""
OF_THE_SERVER = (BusyLoadingError, MasterDownError, AuthenticationError, ElsewhereError)
"""Error replies to a question about one key that would be the same for any other."""
_REPEATED = ", with args beginning with:"
# The replies that redis-py tells apart by class, so that `Endpoint.translated` does too.
_ERRORS: dict[str, type[RedisError]] = {
    "NOPERM": NoPermissionError,
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "NOAUTH": AuthenticationError,
    **dict.fromkeys(("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT", "TRYAGAIN"), ElsewhereError),
}


def raised(reply: Any) -> Any:
    """The reply itself, unless it is an error."""
    if isinstance(reply, Exception):
        raise reply
    return reply


def damaged(command: str) -> RedisError:
    """The error for a reply that no server gives."""
    return RedisConnectionError(f"its answer to {command} is damaged")


def reply_error(words: str) -> RedisError:
    """The error that a reply of these words (`NOPERM ...`) means."""
    # Behind that a server repeats what it was sent: values.
    words = words.partition(_REPEATED)[0]
    return _ERRORS.get(words.partition(" ")[0], ResponseError)(words)


def goes_on(data: bytes) -> tuple[int, int]:
    """Where in `data`, which begins with a reply, the bulk string begins that goes on behind it, and its bytes in all.

    0 bytes where what goes on is no bulk string, or not even its length is there.
    """
    pos = 0
    while (line := data.find(END, pos)) >= 0:
        start = line + len(END)
        # Any other reply is a single line, and so is a nil.
        size = int(data[pos + 1 : line]) if data[pos : pos + 1] == b"$" else -1
        pos = start + size + len(END) if size >= 0 else start
        if pos > len(data):
            return start, size
    return 0, 0

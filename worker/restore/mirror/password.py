"""The password that a target shows to its primary: where it has none, one of ours for the moment in which it comes to us.

So there is no old value that could be lost: one that the target has of its own is demanded as it is.
"""

import hmac
from hashlib import sha256

from redis.exceptions import RedisError

from worker.server.wire import Wire

_NAME = b"masterauth"


def digest(password: bytes) -> str:
    """A digest by which our password is recognised, but cannot be used."""
    return sha256(password).hexdigest()


def agree(wire: Wire, ours: bytes) -> bytes | None:
    """The password that the target will show from now on; None where CONFIG is not allowed."""
    own = _own(wire)
    if own is None or own:
        return own
    return None if isinstance(wire.try_(b"CONFIG", b"SET", _NAME, ours), RedisError) else ours


def take_back(wire: Wire, ours: str) -> None:
    """Empty the target's password where it still is the one of this digest."""
    if hmac.compare_digest(digest(_own(wire) or b""), ours):
        wire.try_(b"CONFIG", b"SET", _NAME, b"")


def _own(wire: Wire) -> bytes | None:
    answer = wire.try_(b"CONFIG", b"GET", _NAME)
    return answer[1] if isinstance(answer, list) and len(answer) == 2 else None

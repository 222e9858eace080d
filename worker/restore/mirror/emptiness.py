"""Whether a target holds nothing that a server loses when it loads a file in the place of what it has."""

from redis.exceptions import RedisError

from worker.server.info import info, keyspace
from worker.server.wire import Wire

_HOLDS_KEYS_ALONE = {b"vectorset", b"lua"}
"""Modules without data of their own, which servers bring along. One of another kind may have some, such as the indexes of a search, and nobody sees it."""


class NotEmptyError(Exception):
    """Something is there by now; the message is what, as a clause."""


def held(wire: Wire) -> str | None:
    """What is there, as a clause; None where that is nothing."""
    if keyspace(info(wire)):
        return "the target is not empty"
    functions = wire.try_(b"FUNCTION", b"LIST")
    if isinstance(functions, RedisError):
        # Before 7.0 there are none.
        if "unknown command" not in str(functions).lower():
            return f"the target does not say whether it has functions: {functions}"
    elif functions:
        return "the target has functions"
    modules = wire.try_(b"MODULE", b"LIST")
    if isinstance(modules, RedisError):
        return f"the target does not say whether it has modules: {modules}"
    names = {dict(zip(module[::2], module[1::2], strict=True))[b"name"] for module in modules}
    return "the target has modules, whose own data would go" if names - _HOLDS_KEYS_ALONE else None


def check(wire: Wire) -> None:
    """Raise NotEmptyError where something is there."""
    if clause := held(wire):
        raise NotEmptyError(clause)

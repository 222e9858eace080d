"""Which slots a node of a cluster has: it holds the keys of those, and no others."""

from redis.exceptions import RedisError

from worker.server.endpoint import Endpoint
from worker.server.wire import Wire

ALL = 16384


def of_node(endpoint: Endpoint) -> str | None:
    """The slots of that node, or of the primary that it follows, such as `0-5460,9000`; None where it does not tell.

    Raises the endpoint's errors.
    """
    with endpoint.translated("asking for its slots"), Wire(endpoint) as wire:
        reply = wire.try_(b"CLUSTER", b"NODES")
    if isinstance(reply, RedisError):
        return None
    nodes = {fields[0]: fields for line in reply.decode().splitlines() if len(fields := line.split()) > _FIRST_SLOT - 1}
    own = next((fields for fields in nodes.values() if "myself" in fields[_FLAGS].split(",")), None)
    if own is None:
        return None
    owner = nodes.get(own[_PRIMARY], own)
    # Slots in brackets are moving to another node, or from one.
    return ",".join(word for word in owner[_FIRST_SLOT:] if not word.startswith("["))


def count(slots: str) -> int:
    """How many slots these are."""
    ranges = (part.partition("-") for part in slots.split(",") if part)
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


_FLAGS, _PRIMARY, _FIRST_SLOT = 2, 3, 8

"""The values of keys in what a run has found: kept apart from it, sealed, and for ten minutes.

A result holds values where it has `rows`: the parts of a value, side by side. In the memory of runs and in Celery's results
those are null; what they were lies in the broker under a key of its own.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from worker.broker import bounded, connection, sealing
from worker.config.settings import Settings

SECONDS = 600
WRITE_SECONDS, READ_SECONDS = 1, 2
"""What the broker is given to take them, and to tell them."""
ROWS = "rows"
Fate = Literal["sealed", "keyless", "shown"]
"""What became of the values: kept for SECONDS; not kept, for the worker has no secret to seal them with; not kept, for
somebody at a shell has seen them.
"""


def parted(result: Any) -> tuple[Any, list[Any]]:
    """The result without the values in it, and the values."""
    values: list[Any] = []
    rest = _without(result, values)
    return (rest, values) if any(values) else (result, [])


def joined(rest: Any, values: list[Any]) -> Any:
    """What `parted` was given. None where these are not the values of that."""
    left = iter(values)
    try:
        result = _with(rest, left)
    except StopIteration:
        return None
    return None if next(left, None) is not None else result


def sealed(settings: Settings, identity: str, values: list[Any]) -> bytes | None:
    """The values of that run so that the broker cannot read them; None where there is no secret for that."""
    secret = sealing.secret_of(settings)
    return None if secret is None else sealing.seal(secret, identity, json.dumps(values).encode())


def keep(settings: Settings, identity: str, closed: bytes) -> None:
    """Have the broker keep what `sealed` gave, for SECONDS. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, WRITE_SECONDS) as client:
        client.set(key_of(identity), closed, px=SECONDS * 1000)


def kept(settings: Settings, identity: str) -> bytes | None:
    """What the broker keeps of that run; None once it is gone. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings, READ_SECONDS) as client:
        return bounded.records(client, [key_of(identity)])[0]


def unsealed(settings: Settings, identity: str, closed: bytes) -> list[Any] | None:
    """The values; None where they were sealed with another secret, or are not what was written."""
    secret = sealing.secret_of(settings)
    data = None if secret is None else sealing.unsealed(secret, identity, closed)
    values = None if data is None else json.loads(data)
    return values if isinstance(values, list) else None


def key_of(identity: str) -> str:
    """Where the values of a run lie in the broker."""
    return f"{connection.PREFIX}values:{identity}"


def _without(part: Any, values: list[Any]) -> Any:
    if isinstance(part, list | tuple):
        return [_without(member, values) for member in part]
    if not isinstance(part, dict):
        return part
    rest: dict[str, Any] = {}
    for name, member in part.items():
        if name == ROWS and isinstance(member, list):
            values.append(member)
            rest[name] = None
        else:
            rest[name] = _without(member, values)
    return rest


def _with(rest: Any, values: Iterator[Any]) -> Any:
    if isinstance(rest, list):
        return [_with(member, values) for member in rest]
    if not isinstance(rest, dict):
        return rest
    return {
        name: next(values) if name == ROWS and member is None else _with(member, values)
        for name, member in rest.items()
    }

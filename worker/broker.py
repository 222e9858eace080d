"""The broker's Redis as our memory: one kind of client, that gives up soon, and one error for all that goes wrong there.

Everything of ours is under PREFIX, in the broker's own database.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError
from redis.retry import Retry

from worker.config import Settings
from worker.errors import BrokerUnavailableError

PREFIX = "redis_backup:"


class _Client(redis.Redis):
    """One that has a time for all its questions together, and asks none when that is over."""

    until = math.inf

    def execute_command(self, *words: Any, **options: Any) -> Any:
        """Ask, or raise TimeoutError."""
        if time.monotonic() > self.until:
            raise redis.TimeoutError
        return super().execute_command(*words, **options)  # type: ignore[no-untyped-call]


def client(settings: Settings, seconds: float = 3, in_all: float = math.inf) -> "redis.Redis":
    """A client that tries once, and waits for each answer no longer than `seconds`, and begins nothing after `in_all`.

    Close it, or use it in a `with`.
    """
    found = _client(settings.celery_broker_url, seconds)
    found.until = time.monotonic() + in_all
    return found


def result_client(settings: Settings, seconds: float = 1) -> "redis.Redis":
    """The same for the Redis that holds Celery's results."""
    return _client(settings.celery_result_backend, seconds)


def _client(url: str, seconds: float) -> _Client:
    # By default a connection begins with three questions about itself, each of which takes time where the network is slow.
    options: dict[str, Any] = {"driver_info": None, "protocol": 2}
    options |= {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    found = _Client.from_url(url, decode_responses=False, retry=Retry(NoBackoff(), 0), **options)
    return cast(_Client, found)


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever a client raises within into BrokerUnavailableError, which carries nothing of the address."""
    try:
        yield
    except OutOfMemoryError:
        raise BrokerUnavailableError(
            "The broker is full and takes nothing new: give it more memory (its setting maxmemory)."
        ) from None
    except (RedisError, OSError) as error:
        kind = type(error).__name__
        raise BrokerUnavailableError(
            f"The broker does not answer ({kind}): is it running, and is CELERY_BROKER_URL right?"
        ) from None

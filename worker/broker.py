"""The broker's Redis as our memory: one kind of client, that gives up soon, and one error for all that goes wrong there.

Everything of ours is under PREFIX, in the broker's own database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from worker.config import Settings
from worker.errors import BrokerUnavailableError

PREFIX = "redis_backup:"


def client(settings: Settings, seconds: float = 3) -> "redis.Redis":
    """A client that tries once, and waits no longer than that. Close it, or use it in a `with`."""
    return _client(settings.celery_broker_url, seconds)


def result_client(settings: Settings, seconds: float = 1) -> "redis.Redis":
    """The same for the Redis that holds Celery's results."""
    return _client(settings.celery_result_backend, seconds)


def _client(url: str, seconds: float) -> "redis.Redis":
    options: dict[str, Any] = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    return redis.Redis.from_url(url, decode_responses=False, retry=Retry(NoBackoff(), 0), **options)


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever a client raises within into BrokerUnavailableError, which carries nothing of the address."""
    try:
        yield
    except (RedisError, OSError) as error:
        kind = type(error).__name__
        raise BrokerUnavailableError(
            f"The broker does not answer ({kind}): is it running, and is CELERY_BROKER_URL right?"
        ) from None

"""The broker's Redis as our memory: one kind of client, which gives up soon, and one error for all that goes wrong there.

Everything of ours is under PREFIX, in the broker's own database.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import AuthenticationError, OutOfMemoryError, RedisError
from redis.retry import Retry

from worker.broker.timeouts import TooSlowError, bounded
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError

PREFIX = "redis_backup:"


def client(settings: Settings, seconds: float = 3, in_all: float = math.inf) -> "redis.Redis":
    """A client that tries once, waits for each answer no longer than `seconds`, and for all of them than `in_all`.

    A long answer may take longer as long as it comes fast enough. Close it, or use it in a `with`.
    """
    return _client(settings.celery_broker_url, seconds, time.monotonic() + in_all)


def result_client(settings: Settings, seconds: float = 1) -> "redis.Redis":
    """The same for the Redis that holds Celery's results."""
    return _client(settings.celery_result_backend, seconds)


def _client(url: str, seconds: float, until: float = math.inf) -> "redis.Redis":
    options: dict[str, Any] = {"decode_responses": False} | dict(parse_url(url))  # type: ignore[no-untyped-call]
    return bounded_client(options.pop("connection_class", Connection), seconds, until, **options)


def bounded_client(kind: type, seconds: float, until: float, **options: Any) -> "redis.Redis":
    """A client over connections of that kind that tries once, and waits for each answer no longer than `seconds`, and for
    none beyond `until` on the monotonic clock. `options` are those of a connection, and come first.
    """
    usual: dict[str, Any] = {"protocol": 2, "retry": Retry(NoBackoff(), 0)}
    # By default a connection begins with three questions about itself, each of which takes time where the network is slow.
    usual |= {"driver_info": None, "socket_connect_timeout": seconds, "socket_timeout": seconds}
    pool = redis.ConnectionPool(bounded(kind), window=seconds, handshake=2 * seconds, until=until, **usual | options)
    return redis.Redis.from_pool(pool)


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever a client raises within into BrokerUnavailableError, which never shows the address."""
    try:
        yield
    except OutOfMemoryError:
        raise BrokerUnavailableError(
            "The broker is full and takes nothing new: give it more memory (its setting maxmemory)."
        ) from None
    except AuthenticationError:
        raise BrokerUnavailableError(
            "The broker does not let us in: are user and password in CELERY_BROKER_URL right?"
        ) from None
    except TooSlowError as error:
        raise BrokerUnavailableError(f"The broker {error}: is the network slow, or is it overloaded?") from None
    except (RedisError, OSError) as error:
        kind = type(error).__name__
        raise BrokerUnavailableError(
            f"The broker does not answer ({kind}): is it running, and is CELERY_BROKER_URL right?"
        ) from None

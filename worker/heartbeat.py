"""Who is alive: each worker and beat renews a key with a time to live, and a health check looks for it.

`python -m worker.heartbeat jobs` exits with 0 when that role of this host has been heard of lately.
"""

import socket
import sys
import threading
import time
from contextlib import suppress

import redis

from worker.config import load
from worker.errors import BackupSystemError

EVERY_SECONDS = 10
TIME_TO_LIVE_SECONDS = 45
_TIMEOUT_SECONDS = 3


def key(role: str) -> str:
    """Where this host's `role` (jobs, quick, beat, celery) is heard of."""
    return f"redis_backup:alive:{role}:{socket.gethostname()}"


def start(role: str) -> None:
    """Renew the key for as long as this process lives. A broker that is away is no reason to stop."""
    threading.Thread(target=_beat, args=(role,), name="heartbeat", daemon=True).start()


def stop(role: str) -> None:
    """Say at once that this role is going, instead of letting the key run out."""
    with suppress(redis.RedisError, OSError):
        _client().delete(key(role))


def _client() -> "redis.Redis":
    url = load().celery_broker_url
    return redis.Redis.from_url(url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS)


def _beat(role: str) -> None:
    client = _client()
    while True:
        with suppress(redis.RedisError, OSError):
            client.set(key(role), int(time.time()), ex=TIME_TO_LIVE_SECONDS)
        time.sleep(EVERY_SECONDS)


def alive(role: str) -> bool:
    """Whether the role has been heard of within TIME_TO_LIVE_SECONDS. Raises redis errors."""
    return bool(_client().exists(key(role)))


def main(arguments: list[str]) -> int:
    """The health check: 0 alive, 1 not, 2 asked wrongly."""
    if len(arguments) != 1:
        print("usage: python -m worker.heartbeat jobs|quick|beat", file=sys.stderr)
        return 2
    try:
        if alive(arguments[0]):
            return 0
        print(f"{arguments[0]} has not been heard of for {TIME_TO_LIVE_SECONDS} seconds.", file=sys.stderr)
    except redis.RedisError:
        print("The broker does not answer.", file=sys.stderr)
    except BackupSystemError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

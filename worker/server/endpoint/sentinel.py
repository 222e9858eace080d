"""A Redis that Sentinels watch over: they are asked, anew for each run, which server is its primary, or a healthy replica."""

import time
from typing import Any

import redis
from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from worker.broker import tls
from worker.broker.connection import bounded_client
from worker.config.address import joined
from worker.config.sentinel_url import Place, Watched

# Sentinel's own flags of a replica that is away.
_AWAY = ("is_sdown", "is_odown", "is_disconnected")
ANSWERS = 4
"""One Sentinel has so many times its timeout in all, before the next is asked."""


def find(watched: Watched, options: dict[str, Any], *, reading: bool) -> Place:
    """Where it is now: the primary, or for reading a healthy replica, where there is one and no other is asked for.

    `options` are those of a connection, such as its timeouts and its TLS. Raises redis' ConnectionError where no
    Sentinel knows.
    """
    faults = []
    for host, port in watched.sentinels:
        where = joined(host, port)
        with _client(host, port, watched.login, options) as sentinel:
            try:
                state = sentinel.sentinel_master(watched.service)
                primary = sentinel.sentinel_get_master_addr_by_name(watched.service)
                replicas = sentinel.sentinel_slaves(watched.service) if reading and watched.wanted != "primary" else []
            except RedisError as error:
                faults.append(f"{where} {_cause(error, encrypted=bool(options.get('encrypted')))}")
                continue
            chosen = next(map(_place_of, filter(_is_healthy, replicas)), (str(primary[0]), int(primary[1])))
            if state.get("is_odown") and chosen == _place_of(state):
                faults.append(f"{where} holds its primary for lost")
                continue
            return chosen
    raise RedisConnectionError(f"no Sentinel tells where {watched.service} is: {'; '.join(faults)}")


def _client(host: str, port: int, login: tuple[str | None, str | None], options: dict[str, Any]) -> "redis.Redis":
    encrypted, seconds = options.get("encrypted"), options["socket_connect_timeout"]
    return bounded_client(
        SSLConnection if encrypted else Connection,
        seconds,
        time.monotonic() + ANSWERS * seconds,
        host=host.strip("[]"),
        port=port,
        username=login[0],
        password=login[1],
        decode_responses=True,
        **{name: value for name, value in options.items() if encrypted and name.startswith("ssl_")},
    )


def _place_of(server: dict[str, Any]) -> Place:
    return str(server["ip"]), int(server["port"])


def _is_healthy(replica: dict[str, Any]) -> bool:
    return (
        not any(replica.get(word) for word in _AWAY)
        and replica.get("master-link-status") == "ok"
        and 0 < int(replica.get("port", 0)) < 1 << 16
    )


def _cause(error: RedisError, *, encrypted: bool) -> str:
    words = str(error)
    if "unknown command" in words:
        return "is no Sentinel"
    if "No such master" in words:
        return "knows no primary of that name"
    if isinstance(error, redis.AuthenticationError):
        return "refuses the user name or password (sentinel_username, sentinel_password)"
    if encrypted and tls.is_meant(words):
        return f"does not come to TLS with us ({tls.inner(words)})"
    return "does not answer" if isinstance(error, RedisConnectionError | redis.TimeoutError) else f"says {words}"

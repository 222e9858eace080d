"""A Redis that Sentinels watch over: they are asked, anew for each run, which server is its primary, or a healthy replica.

    redis+sentinel://user:password@host:26379,host2:26379/mymaster/0?role=replica

The user and password are those of the Redis; `sentinel_username` and `sentinel_password` are the Sentinels' own, where
they have one. `rediss+sentinel` speaks TLS to both. Without `role` a source is read from a replica where there is one.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlencode

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from worker import tls

Member = Literal["primary", "replica"]
Place = tuple[str, int]
"""A host and its port."""

PORT = 26379
_URL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<login>[^@/?#]*)@)?(?P<hosts>[^/?#@]+)/(?P<service>[^/?#]+)(?:/(?P<db>\d*))?"
    r"(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")
# Of a replica that is no good: Sentinel's own words for one that is away.
_AWAY = ("is_sdown", "is_odown", "is_disconnected")


def is_watched(url: str) -> bool:
    """Whether the URL names Sentinels."""
    return re.match(r"rediss?\+sentinel://", url) is not None


@dataclass(frozen=True)
class Watched:
    """What such a URL says: where the Sentinels are, by which name they know the Redis, and which server is meant."""

    sentinels: tuple[Place, ...]
    service: str
    wanted: Member | None
    url: str
    """The same for a Redis that is reached directly, with a host that is still to be found."""
    login: tuple[str | None, str | None]
    """The Sentinels' user and password."""

    @property
    def address(self) -> str:
        """By what it is known, whichever server it is at the moment: runs, locks and backups belong to that."""
        host, port = self.sentinels[0]
        return f"{self.service}@{host}:{port}"

    def find(self, options: dict[str, Any], *, reading: bool) -> Place:
        """Where it is now: the primary, or for reading a healthy replica, where there is one and no other is asked for.

        `options` are those of a connection, such as its timeouts and its TLS. Raises redis' ConnectionError where no
        Sentinel knows.
        """
        faults = []
        for host, port in self.sentinels:
            with _client(host, port, self.login, options) as sentinel:
                try:
                    told = sentinel.sentinel_master(self.service)
                    primary = sentinel.sentinel_get_master_addr_by_name(self.service)
                    replicas = sentinel.sentinel_slaves(self.service) if reading and self.wanted != "primary" else []
                except RedisError as error:
                    faults.append(f"{host}:{port} {_cause(error, encrypted=bool(options.get('encrypted')))}")
                    continue
                chosen = next(map(_place_of, filter(_is_healthy, replicas)), (str(primary[0]), int(primary[1])))
                if told.get("is_odown") and chosen == _place_of(told):
                    faults.append(f"{host}:{port} holds its primary for lost")
                    continue
                return chosen
        raise RedisConnectionError(f"no Sentinel tells where {self.service} is: {'; '.join(faults)}")


def parsed(url: str) -> Watched:
    """Take such a URL apart. ValueError, without anything of it, where it is none."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("must be redis+sentinel://host:26379,host:26379/name/0")
    query = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    wanted = query.pop("role", None)
    if wanted not in (None, "primary", "replica"):
        raise ValueError("must have primary or replica for its role")
    login = query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    places = tuple(_place(host) for host in match["hosts"].split(","))
    user = f"{match['login']}@" if match["login"] else ""
    rest = f"?{urlencode(query)}" if query else ""
    plain = f"{match['scheme']}://{user}{places[0][0]}:{PORT}/{match['db'] or 0}{rest}"
    return Watched(places, unquote(match["service"]), cast("Member | None", wanted), plain, login)


def _place(text: str) -> Place:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or PORT) < 1 << 16:
        raise ValueError("must name each Sentinel as host:port, with commas between")
    return match["host"], int(match["port"] or PORT)


def _client(host: str, port: int, login: tuple[str | None, str | None], options: dict[str, Any]) -> "redis.Redis":
    user, password = login
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return redis.Redis(
        host=host.strip("[]"),
        port=port,
        username=user,
        password=password,
        socket_connect_timeout=options["socket_connect_timeout"],
        socket_timeout=options["socket_connect_timeout"],
        decode_responses=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        ssl=bool(options.get("encrypted")),
        **tls,
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

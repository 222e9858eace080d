"""A URL of a Redis that Sentinels watch over.

    redis+sentinel://user:password@host:26379,host2:26379/mymaster/0?role=replica

The user and password are those of the Redis; `sentinel_username` and `sentinel_password` are the Sentinels' own, where
they have one. `rediss+sentinel` speaks TLS to both. A source is read from a healthy replica where there is one, and else
from the primary, of which a backup warns with `role=replica`; with `role=primary` always from that.
"""

import re
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl, unquote, urlencode

from worker.config.address import joined

Member = Literal["primary", "replica"]
Place = tuple[str, int]
"""A host and its port."""


PORT = 26379
_URL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<login>[^@/?#]*)@)?(?P<hosts>[^/?#@]+)/(?P<service>[^/?#]+)(?:/(?P<db>\d*))?"
    r"(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")


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
        return f"{self.service}@{joined(*self.sentinels[0])}"


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

"""One Redis by its URL: how to reach it, and where it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.exceptions import RedisError
from redis.retry import Retry

from worker.broker import tls
from worker.broker.timeouts import PlainError, bounded
from worker.config import sentinel_url
from worker.config.address import joined
from worker.errors import UsageError
from worker.server.endpoint import sentinel
from worker.server.endpoint.roles import Role
from worker.server.endpoint.translation import Peer

_HUNG_UP = ("reset", "closed", "not the protocol", "Broken pipe")
"""Parts of an error's text where a peer hung up on a protocol that it does not speak."""


class Endpoint:
    """A Redis that we connect to. Its URL holds a password, and never leaves this class."""

    def __init__(self, url: str, role: Role, *, hurried: bool = False) -> None:
        self.role = role
        self.hurried = hurried
        """Whether it is read as fast as it can be, also beside live traffic."""
        self._place: sentinel_url.Place | None = None
        """Where Sentinels say that it is. They are asked once, so that all connections of a run lead to one server."""
        self.has_answered = False
        """Whether it has ever answered as a Redis does."""
        try:
            self._watched = sentinel_url.parsed(url) if sentinel_url.is_watched(url) else None
            plain = self._watched.url if self._watched else url
            self._options: dict[str, Any] = dict(parse_url(plain))  # type: ignore[no-untyped-call]
        except ValueError:
            raise UsageError(f"The setting {role.setting} is no address of a Redis: see docs/guide.md.") from None
        if self._watched:
            # The URL has no host of its own: Sentinels say where the server is.
            del self._options["host"], self._options["port"]
        self._class: Any = bounded(self._options.pop("connection_class", Connection))
        self._check_options()

    def _check_options(self) -> None:
        """Raise the setting's error for options that no connection takes, and for files that are not there."""
        try:
            self._class(**self._settings(0))
        except (TypeError, ValueError, redis.RedisError):
            raise UsageError(f"The setting {self.role.setting} has an option that is unknown or wrong.") from None
        for option in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
            path = self._options.get(option)
            if path and not os.access(str(path), os.R_OK):
                raise UsageError(f"The setting {self.role.setting} names a file that cannot be read: {option}={path}.")
        names = ("ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_ca_certs")
        if fault := tls.fault_of_files(*(self._options.get(name) for name in names)):
            raise UsageError(f"The setting {self.role.setting} cannot be used: {fault}.")

    def within(self, seconds: float) -> "Endpoint":
        """The same with shorter timeouts, for questions that can do without an answer."""
        hasty = copy(self)
        hasty.role = replace(self.role, connect_seconds=seconds, answer_seconds=seconds)
        return hasty

    @property
    def address(self) -> str:
        """Where it is, without user or password; behind Sentinels the name by which they know it."""
        if self._watched:
            return self._watched.address
        if "path" in self._options:
            return str(self._options["path"])
        return joined(*self._host_and_port())

    @property
    def wants_replica(self) -> bool:
        """Whether the URL asks for one; where there is none, its primary is read all the same."""
        return self._watched is not None and self._watched.wanted == "replica"

    @property
    def user(self) -> str:
        """The name that it is entered by."""
        return str(self._options.get("username") or "default")

    @property
    def encrypted(self) -> bool:
        """Whether the connection is TLS."""
        return issubclass(self._class, SSLConnection)

    @property
    def default_db(self) -> int:
        """The database that the URL names."""
        return int(self._options.get("db") or 0)

    def connect(self, db: int = 0) -> Any:
        """A bare connection to one database, for commands in bulk, whose socket is a BoundedSocket.

        Raises redis errors: use within `translated`.
        """
        connection = self._class(**self._settings(db), **self._by_sentinel())
        connection.connect()
        return connection

    def _by_sentinel(self) -> dict[str, Any]:
        """The host and port to connect to, where only Sentinels know them."""
        if self._watched is None:
            return {}
        if self._place is None:
            options = self._settings(0) | {"encrypted": self.encrypted}
            self._place = sentinel.find(self._watched, options, reading=self.role.reads)
        return dict(zip(("host", "port"), self._place, strict=True))

    def moved(self) -> str:
        """A sentence, to stand behind others, where Sentinels have made another server the primary since; else nothing."""
        if self._watched is None or self._place is None:
            return ""
        options = self._settings(0) | {"encrypted": self.encrypted}
        with suppress(RedisError):
            now = sentinel.find(self._watched, options, reading=False)
            if now != self._place:
                return (
                    f" Meanwhile {joined(*now)} has become the primary: it may lack what {joined(*self._place)} had confirmed "
                    "and not passed on by then."
                )
        return ""

    def _settings(self, db: int) -> dict[str, Any]:
        role = self.role
        defaults = {"socket_connect_timeout": role.connect_seconds, "socket_timeout": role.answer_seconds}
        fixed = {
            "window": role.answer_seconds,
            "handshake": role.connect_seconds + role.answer_seconds,
            "db": db,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": False,
            "driver_info": None,
        }
        return {**defaults, **self._options, **fixed}

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn a redis error raised within into one of ours: a sentence that says what to do, and no secret."""
        try:
            yield
        except (RedisError, OSError) as error:
            raise self._peer.error_of(error, doing) from None

    @property
    def _peer(self) -> Peer:
        place = f" ({joined(*self._place)})" if self._place else ""
        name = f"The {self.role.name} at {self.address}{place}"
        return Peer(self.role, name, self.address, self.user, self.encrypted, self._fault_of_tls)

    def _fault_of_tls(self, error: Exception) -> str | None:
        """What is wrong about TLS, where that is why nothing ever came; a clause behind the server's name."""
        setting, words = self.role.setting, str(error)
        if isinstance(error, PlainError):
            return tls.no_tls(setting)
        if self.has_answered or "path" in self._options or (self._watched and not self._place):
            return None
        if self.encrypted:
            certified = bool(self._options.get("ssl_certfile"))
            return tls.explained(words, setting, certified=certified) if tls.is_meant(words) else None
        if any(sign in words for sign in _HUNG_UP) and tls.is_spoken(*self._host_and_port()):
            return f"speaks TLS: write rediss:// in place of redis:// in {setting}."
        return None

    def _host_and_port(self) -> sentinel_url.Place:
        return self._place or (str(self._options.get("host", "localhost")), int(self._options.get("port", 6379)))

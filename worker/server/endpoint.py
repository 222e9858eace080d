"""One Redis by its URL: how to reach it, and what its errors mean in plain words."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from worker.broker import tls
from worker.broker.timeouts import PlainError, TooSlowError, bounded
from worker.config import sentinel_url
from worker.config.address import joined
from worker.errors import (
    BackupSystemError,
    SourceError,
    SourceUnavailableError,
    TargetError,
    TargetUnavailableError,
    TemporaryError,
    UsageError,
)
from worker.server import sentinel

ANSWER_SECONDS = 60
_HUNG_UP = ("reset", "closed", "not the protocol", "Broken pipe")
"""In words about a peer that has met what it does not speak."""
# What helps against an error reply of such a word, which the server's own words do not say.
_HELPS = {
    "READONLY": "it is a replica, so name its primary",
    "OOM": "raise maxmemory, or delete something",
    "NOREPLICAS": "bring its replicas back, or lower min-replicas-to-write",
    "MISCONF": "its log says why it cannot save, most often for want of disk",
}
# Before 7.0 they do not say which subcommand.
_LACKING = re.compile(r"run the '([^' ]+)' command")


class ElsewhereError(ResponseError):
    """What a node of a cluster answers of keys that are, or are to be, at another one."""


class SentinelError(ResponseError):
    """What answers is no server that holds keys."""


@dataclass(frozen=True)
class Role:
    """What a Redis is to us: its name in sentences, its setting, and the errors that it raises."""

    name: str
    setting: str
    error: type[BackupSystemError]
    unavailable: type[BackupSystemError]
    connect_seconds: float = 10
    answer_seconds: float = ANSWER_SECONDS
    reads: bool = False
    """Whether it is only read, for which a replica will do."""


SOURCE = Role("source", "REDIS_URL", SourceError, SourceUnavailableError, reads=True)
TARGET = Role("target", "REDIS_URL", TargetError, TargetUnavailableError)
GLANCE = replace(SOURCE, connect_seconds=3, answer_seconds=10)
"""The source, where it is only looked at: somebody waits to be told."""
# It is asked for facts only, and nothing waits for those.
BROKER = Role("broker", "CELERY_BROKER_URL", BackupSystemError, TemporaryError, connect_seconds=1, answer_seconds=2)


def named_target(name: str) -> Role:
    """The role of a target out of REDIS_TARGETS."""
    return replace(TARGET, name=f"target {name}", setting="REDIS_TARGETS")


class Endpoint:
    """A Redis that we connect to. Its URL holds a password and leaves this class in no way."""

    def __init__(self, url: str, role: Role, *, hurried: bool = False) -> None:
        self.role = role
        self.hurried = hurried
        """Whether it is asked as fast as it can be, whoever else asks it."""
        self._place: sentinel_url.Place | None = None
        """Where Sentinels say that it is; asked once, so that all connections of a run lead to one server."""
        self.has_answered = False
        """Whether it has ever said anything that a Redis says."""
        try:
            self._watched = sentinel_url.parsed(url) if sentinel_url.is_watched(url) else None
            plain = self._watched.url if self._watched else url
            self._options: dict[str, Any] = dict(parse_url(plain))  # type: ignore[no-untyped-call]
        except ValueError:
            raise UsageError(f"The setting {role.setting} is no address of a Redis: see docs/guide.md.") from None
        if self._watched:
            # Those of a URL that has none: where it is, is for Sentinels to say.
            del self._options["host"], self._options["port"]
        self._class: Any = bounded(self._options.pop("connection_class", Connection))
        self._check_options()

    def _check_options(self) -> None:
        """Options of the URL that no connection takes, and files that are not there, are faults of the setting."""
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
        """The same, asked with less patience: for what only would be good to know."""
        hasty = copy(self)
        hasty.role = replace(self.role, connect_seconds=seconds, answer_seconds=seconds)
        return hasty

    @property
    def address(self) -> str:
        """Where it is, without user or password; of one that Sentinels watch over, by what they know it."""
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
        connection = self._class(**self._settings(db), **self._found())
        connection.connect()
        return connection

    def _found(self) -> dict[str, Any]:
        """The host and port to connect to, where only Sentinels know them."""
        if self._watched is None:
            return {}
        if self._place is None:
            options = self._settings(0) | {"encrypted": self.encrypted}
            self._place = sentinel.find(self._watched, options, reading=self.role.reads)
        return dict(zip(("host", "port"), self._place, strict=True))

    def moved(self) -> str:
        """That Sentinels have made another server the primary since, as a sentence behind others; else nothing."""
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
        except RedisError as error:
            raise self._translate(error, doing) from None
        except OSError as error:
            raise self._broken(error, doing) from None

    @property
    def _the_redis(self) -> str:
        found = f" ({joined(*self._place)})" if self._place else ""
        return f"The {self.role.name} at {self.address}{found}"

    def _translate(self, error: RedisError, doing: str) -> BackupSystemError:
        the_redis, setting, words = self._the_redis, self.role.setting, str(error)
        if isinstance(error, AuthenticationError) or words.startswith(
            ("WRONGPASS", "NOAUTH", "invalid username-password")
        ):
            return self.role.error(f"{the_redis} refuses the user name or password: check {setting}.")
        if isinstance(error, NoPermissionError):
            return self.role.error(f"{the_redis} does not allow {doing}: {words}. {_way_out(self.user, words)}")
        if isinstance(error, BusyLoadingError):
            return self.role.unavailable(f"{the_redis} is still loading its data: try again when it is done.")
        if isinstance(error, MasterDownError) or "NOMASTERLINK" in words:
            return self.role.unavailable(
                f"{the_redis} is a replica without a link to its primary: mend that link, or name the primary."
            )
        if isinstance(error, redis.TimeoutError):
            return self.role.unavailable(f"{the_redis} {self._delay(error, doing)}")
        if isinstance(error, ResponseError):
            return self.role.error(f"{the_redis} {self._told(error, doing)}")
        if isinstance(error, redis.ConnectionError):
            told = self._of_tls(error) or f"cannot be reached ({_cause(words)}): is it running, and is {setting} right?"
            return self.role.unavailable(f"{the_redis} {told}")
        return self.role.error(f"{the_redis} failed while {doing}: {type(error).__name__}.")

    def _told(self, error: ResponseError, doing: str) -> str:
        """An error reply, behind the name of who gave it."""
        if isinstance(error, SentinelError):
            scheme = "rediss" if self.encrypted else "redis"
            return (
                f"is a Sentinel, which holds no data: write {scheme}+sentinel://{self.address}/NAME/0 in "
                f"{self.role.setting}, with the name that it knows your Redis by."
            )
        if isinstance(error, ElsewhereError):
            return (
                f"is a node of a cluster, and {doing} needs slots that it has not ({error}): name the node that has them, or "
                "a server that holds all the keys itself."
            )
        words = str(error)
        helps = _HELPS.get(words.partition(" ")[0])
        return f"answered {words!r} while {doing}{': ' + helps if helps else ''}."

    def _broken(self, error: OSError, doing: str) -> BackupSystemError:
        told = self._of_tls(error) or f"broke the connection while {doing}: {error.strerror or error}."
        return self.role.unavailable(f"{self._the_redis} {told}")

    def _of_tls(self, error: Exception) -> str | None:
        """What is wrong about TLS, where that is why nothing ever came; it goes on behind the name."""
        setting, words = self.role.setting, str(error)
        if isinstance(error, PlainError):
            return tls.no_tls(setting)
        if self.has_answered or "path" in self._options or (self._watched and not self._place):
            return None
        if self.encrypted:
            certified = bool(self._options.get("ssl_certfile"))
            return tls.explained(words, setting, certified=certified) if tls.is_meant(words) else None
        if any(one in words for one in _HUNG_UP) and tls.is_spoken(*self._host_and_port()):
            return f"speaks TLS: write rediss:// in place of redis:// in {setting}."
        return None

    def _host_and_port(self) -> sentinel_url.Place:
        return self._place or (str(self._options.get("host", "localhost")), int(self._options.get("port", 6379)))

    def _delay(self, error: redis.TimeoutError, doing: str) -> str:
        if isinstance(error, TooSlowError):
            return f"{error} while {doing}: is the network slow, or is it overloaded?"
        return f"did not answer in time while {doing}: is it overloaded, or the network slow?"


def _cause(words: str) -> str:
    """The reason in a redis-py sentence such as `Error 111 connecting to host:1. Connection refused.`"""
    return words.rsplit("connecting to", 1)[-1].split(". ", 1)[-1].strip(". ") or "no connection"


def _way_out(user: str, words: str) -> str:
    """What helps against a refusal."""
    keys = "access a key" in words or "access one of the keys" in words
    lacking = _LACKING.search(words)
    right = "~*" if keys else f"+{lacking[1].lower()}" if lacking else None
    more = "`python -m worker ping` shows what else that user needs."
    return f"Give that with `{acl_line(user, right)}`; {more}" if right else more


def acl_line(user: str, rights: str) -> str:
    """What whoever runs the server is to enter."""
    return f"ACL SETUSER {user} {rights}"

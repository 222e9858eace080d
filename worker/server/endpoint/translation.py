"""An error of redis-py in plain words: what is wrong with the server, and what to do about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from worker.broker.timeouts import TooSlowError
from worker.errors import BackupSystemError
from worker.server.endpoint.roles import Role

# What helps against an error reply that begins with this word, where the server does not say it.
_HELPS = {
    "READONLY": "it is a replica, so name its primary",
    "OOM": "raise maxmemory, or delete something",
    "NOREPLICAS": "bring its replicas back, or lower min-replicas-to-write",
    "MISCONF": "its log says why it cannot save, most often for want of disk",
}
_MORE = "`python -m worker ping` shows what else that user needs."
# Servers before 7.0 do not name the subcommand.
_LACKING = re.compile(r"run the '([^' ]+)' command")


class ElsewhereError(ResponseError):
    """A node of a cluster answers that keys are at another node, or will be."""


class SentinelError(ResponseError):
    """A Sentinel has answered, which holds no keys."""


@dataclass(frozen=True)
class Peer:
    """The server that an error came from, as sentences need it."""

    role: Role
    name: str
    """`The source at 127.0.0.1:6379`, with which a sentence begins."""
    address: str
    user: str
    encrypted: bool
    fault_of_tls: Callable[[Exception], str | None]
    """What is wrong about TLS, where that caused an error; a clause behind the name."""

    def error_of(self, error: RedisError | OSError, doing: str) -> BackupSystemError:
        """The error of ours that it means, raised while `doing` something."""
        if isinstance(error, RedisError):
            return self._of_redis(error, doing)
        fault = self.fault_of_tls(error) or f"broke the connection while {doing}: {error.strerror or error}."
        return self.role.unavailable(f"{self.name} {fault}").plain()

    def _of_redis(self, error: RedisError, doing: str) -> BackupSystemError:
        name, setting, words = self.name, self.role.setting, str(error)
        if isinstance(error, AuthenticationError) or words.startswith(
            ("WRONGPASS", "NOAUTH", "invalid username-password")
        ):
            return self.role.error(f"{name} refuses the user name or password: check {setting}.").plain()
        if isinstance(error, NoPermissionError):
            message = f"{name} does not allow {doing}: {words}. {_way_out(self.user, words)}"
            return self.role.error(message).said_outside(f"{name} does not allow {doing}. {_MORE}")
        if isinstance(error, BusyLoadingError):
            return self.role.unavailable(f"{name} is still loading its data: try again when it is done.").plain()
        if isinstance(error, MasterDownError) or "NOMASTERLINK" in words:
            return self.role.unavailable(
                f"{name} is a replica without a link to its primary: mend that link, or name the primary."
            ).plain()
        if isinstance(error, redis.TimeoutError):
            return self.role.unavailable(f"{name} {_delay(error, doing)}").plain()
        if isinstance(error, ResponseError):
            return self._answered(error, doing)
        if isinstance(error, redis.ConnectionError):
            fault = self.fault_of_tls(error)
            fault = fault or f"cannot be reached ({_cause(words)}): is it running, and is {setting} right?"
            return self.role.unavailable(f"{name} {fault}").plain()
        return self.role.error(f"{name} failed while {doing}: {type(error).__name__}.").plain()

    def _answered(self, error: ResponseError, doing: str) -> BackupSystemError:
        answered = self.role.error(f"{self.name} {self._answer(error, doing)}")
        if isinstance(error, SentinelError):
            return answered.plain()
        # What a server answers may quote what it was asked, with the key.
        helps = _helping(str(error))
        return answered.said_outside(
            f"{self.name} answered with an error while {doing}{': ' + helps if helps else ''}."
        )

    def _answer(self, error: ResponseError, doing: str) -> str:
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
        helps = _helping(words)
        return f"answered {words!r} while {doing}{': ' + helps if helps else ''}."


def _helping(words: str) -> str | None:
    return _HELPS.get(words.partition(" ")[0])


def _delay(error: redis.TimeoutError, doing: str) -> str:
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
    return f"Give that with `{acl_line(user, right)}`; {_MORE}" if right else _MORE


def acl_line(user: str, rights: str) -> str:
    """The command that gives a user these rights."""
    return f"ACL SETUSER {user} {rights}"

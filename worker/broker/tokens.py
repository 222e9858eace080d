"""Who may enter besides by password: API tokens, and the epoch that makes logout real; kept in the broker's Redis.

A session carries the epoch of its login, and a logout begins another: a cookie that somebody copied is then worth nothing.
Of a token only the sha256 is kept, so whoever reads the broker's data cannot use it.

Storage and listing need no broker, so while it is away this process goes by what it saw there last, for REMEMBERED_SECONDS
at most. Nobody can log out or revoke anything in that time, save from a machine that still reaches the broker: that is the
price. A process that has seen nothing yet raises BrokerUnavailableError. When the broker has lost its data, all sessions
and tokens are lost with it, and none of them ever becomes valid again.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from worker.broker import bounded, connection
from worker.broker.scopes import SCOPES, Scope
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, NotFoundError, RefusedError, UsageError

REMEMBERED_SECONDS = 600
PATIENCE_SECONDS = 1
"""How long a request waits for the broker before it goes by memory."""
USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a write for each request would be dear."""
LONGEST_SECRET = 200
LONGEST_DAYS, MOST_NETWORKS = 3650, 20

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_EPOCH = connection.PREFIX + "epoch"
_TOKENS = connection.PREFIX + "tokens"
_USED = connection.PREFIX + "tokens:used"


class Token(BaseModel):
    """What may be known of a token; its times are in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    scopes: list[Scope]
    created_at: AwareDatetime
    created_by: str
    last_used_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    """From when on it opens nothing; None for one that stays until it is revoked."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """From where alone it may be used; empty for from everywhere."""

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and datetime.now(UTC) >= self.expires_at

    def lets_in(self, address: str | None) -> bool:
        """Whether it may be used from there."""
        if not self.networks:
            return True
        try:
            there = ip_address(address or "")
        except ValueError:
            return False
        # A socket for both kinds shows an IPv4 visitor as ::ffff:192.0.2.1.
        there = getattr(there, "ipv4_mapped", None) or there
        return any(there in network for network in self.networks)


@dataclass(frozen=True)
class Bounds:
    """How many days a new token is good for, and from which addresses or networks (192.0.2.0/24); None and () for no end
    and from everywhere.
    """

    days: int | None = None
    addresses: tuple[str, ...] = ()


UNBOUND = Bounds()


class _Stored(Token):
    sha256: str


@dataclass(frozen=True)
class _Seen:
    """The broker's answer, and when it came by the clock of this process, in seconds."""

    epoch: str | None
    tokens: list[_Stored]
    at: float


_seen: dict[str, _Seen] = {}


def create(
    settings: Settings,
    name: str,
    scopes: list[str],
    created_by: str,
    bounds: Bounds = UNBOUND,
) -> str:
    """Make a token of that name: its secret, which is told this once.

    Raises UsageError, and RefusedError when the name is taken.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "The name of a token must be up to 64 small letters, digits, dots, dashes and underscores, such as ci."
        )
    wanted: list[Scope] = [scope for scope in SCOPES if scope in scopes]
    if not wanted or set(scopes) - set(SCOPES):
        raise UsageError(f"A token needs one or more of the scopes {', '.join(SCOPES)}.")
    if bounds.days is not None and not 1 <= bounds.days <= LONGEST_DAYS:
        raise UsageError(f"A token is good for 1 to {LONGEST_DAYS} days, or for as long as nobody revokes it.")
    networks = _networks(bounds.addresses)
    secret = f"rb_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    token = _Stored(
        name=name,
        scopes=wanted,
        created_at=now,
        created_by=created_by,
        expires_at=None if bounds.days is None else now + timedelta(days=bounds.days),
        networks=networks,
        sha256=_digest(secret),
    )
    with connection.translated(), connection.client(settings) as client:
        if not client.hsetnx(_TOKENS, name, token.model_dump_json()):
            raise RefusedError(f"There is a token {name} already: revoke it first, or choose another name.")
        client.hdel(_USED, name)
    return secret


def revoke(settings: Settings, name: str) -> None:
    """Make a token worth nothing from now on. NotFoundError when there is none of that name."""
    with connection.translated(), connection.client(settings) as client:
        known = client.hdel(_TOKENS, name)
        client.hdel(_USED, name)
    _seen.pop(settings.celery_broker_url, None)
    if not known:
        shown = name if _NAME.fullmatch(name) else "that name"
        raise NotFoundError(f"There is no token {shown}: `python -m worker token list` shows those that there are.")


def tokens(settings: Settings) -> list[Token]:
    """All tokens, by name."""
    return sorted((Token(**dict(token)) for token in _look(settings).tokens), key=lambda token: token.name)


def find(settings: Settings, secret: str) -> Token | None:
    """The token of that secret, which may have expired; None when there is none."""
    if len(secret) > LONGEST_SECRET:
        return None
    digest = _digest(secret)
    matching = [token for token in _look(settings).tokens if hmac.compare_digest(token.sha256, digest)]
    return Token(**dict(matching[0])) if matching else None


def epoch(settings: Settings) -> str | None:
    """The epoch that sessions must carry; None before the first login."""
    return _look(settings).epoch


def begin_session(settings: Settings) -> str:
    """The epoch for a new session."""
    current = epoch(settings)
    if current is None:
        with connection.translated(), connection.client(settings) as client:
            client.set(_EPOCH, secrets.token_hex(16), nx=True)
        current = epoch(settings)
    if current is None:
        raise BrokerUnavailableError("The broker forgets what it is told: look at its memory limit and its eviction.")
    return current


def end_sessions(settings: Settings) -> None:
    """Begin another epoch. It is a random word and no count, because a count would come back after a loss of data."""
    with connection.translated(), connection.client(settings) as client:
        client.set(_EPOCH, secrets.token_hex(16))
    _seen.pop(settings.celery_broker_url, None)


def _look(settings: Settings) -> _Seen:
    url = settings.celery_broker_url
    try:
        seen = _seen[url] = _ask(settings)
    except BrokerUnavailableError:
        last = _seen.get(url)
        if last is None or time.monotonic() - last.at > REMEMBERED_SECONDS:
            raise
        return last
    return seen


def _ask(settings: Settings) -> _Seen:
    with (
        connection.translated(),
        connection.client(settings, PATIENCE_SECONDS) as client,
        # A broker that is full refuses MULTI, and answers what only reads.
        client.pipeline(transaction=False) as pipe,
    ):
        pipe.getrange(_EPOCH, 0, LONGEST_SECRET)
        bounded.fields(pipe, _TOKENS)
        bounded.fields(pipe, _USED)
        answers: list[Any] = pipe.execute()
    current, stored, used = answers
    seconds = dict(zip(used[::2], used[1::2], strict=True))
    return _Seen(current.decode() if current else None, _parsed(stored[1::2], seconds), time.monotonic())


def _parsed(stored: list[bytes], used: dict[bytes, bytes]) -> list[_Stored]:
    """What is stored, without what nobody can read: such a token opens nothing."""
    parsed = []
    for text in stored:
        with suppress(ValidationError, ValueError, OverflowError, OSError):
            token = _Stored.model_validate_json(text)
            seconds = used.get(token.name.encode())
            at = datetime.fromtimestamp(int(seconds), UTC) if seconds else None
            parsed.append(token.model_copy(update={"last_used_at": at}))
    return parsed


def note_use(settings: Settings, token: Token) -> None:
    """Remember that it was used just now."""
    now = datetime.now(UTC)
    if token.last_used_at is not None and now - token.last_used_at < USED_EVERY:
        return
    with (
        suppress(BrokerUnavailableError),
        connection.translated(),
        connection.client(settings, PATIENCE_SECONDS) as client,
    ):
        client.hset(_USED, token.name, int(now.timestamp()))


def _networks(addresses: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    wanted = [address.strip() for address in addresses if address.strip()]
    if len(wanted) > MOST_NETWORKS:
        raise UsageError(f"A token can be bound to {MOST_NETWORKS} addresses and networks.")
    try:
        return tuple(ip_network(address) for address in wanted)
    except ValueError:
        raise UsageError(
            "A token is bound to addresses such as 192.0.2.7 or 2001:db8::7, or to networks such as 192.0.2.0/24, without "
            "bits behind the prefix."
        ) from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()

"""The ordinary commands for entries that have no payload: SET, or a value that is built piece by piece and then named."""

import secrets
from operator import itemgetter
from typing import Any

from worker.arguments.restore import Mode
from worker.formats.entries import Entry, Opaque, VectorSet
from worker.formats.rdb.payload import seal
from worker.formats.rdb.values import value_of
from worker.restore.target import commands
from worker.restore.target.flow import Flow, Sent
from worker.restore.target.report import Report
from worker.server.pipeline import abilities
from worker.server.wire import LARGE, Wire, pack, pieces

_FIRST_VERSION_WITH_PXAT = (6, 2)
_TEMPORARY = b"3600"  # seconds
_BUILT_VECTORS = (
    "Vector sets were built by VADD, which links their elements anew and rounds vectors: a preview may show their last digits "
    "as different, and a search among near ones may find others."
)
_PAYLOAD = itemgetter(Entry._fields.index("payload"))

# A server takes 512 MB in one argument (proto-max-bulk-len): a larger value is built in pieces.
LARGEST_PAYLOAD = 256 << 20


def temporary_key() -> bytes:
    """A key that nobody else has: a value is built under it before it takes its own name.

    Random each time and no counter: forked workers would count alike, and add to each other's leftovers.
    """
    return b"redis_backup:" + secrets.token_hex(16).encode()


class Values:
    """Packs values into a flow."""

    def __init__(self, wire: Wire, flow: Flow, mode: Mode, report: Report, version: tuple[int, ...]) -> None:
        """`version` is the server's redis_version."""
        self._flow, self._mode, self._report, self._version = flow, mode, report, version
        self._field_expiry = abilities(wire, fields=True).fields

    def fits_set(self, entry: Entry) -> bool:
        """Whether one SET writes the key with its expiry and heeds the mode: most keys of most servers."""
        short = isinstance(entry.value, bytes) and len(entry.value) <= commands.LONGEST_SET
        return short and (entry.expires_at is None or self._version >= _FIRST_VERSION_WITH_PXAT)

    def add(self, entry: Entry, now: float) -> None:
        """Pack what makes the key; `now` is milliseconds since the epoch by the server's clock."""
        self._flow.select(entry.db)
        if self.fits_set(entry):
            self._set(entry)
        else:
            self._build(entry, now)

    def _set(self, entry: Entry) -> None:
        until = (b"PXAT", b"%d" % entry.expires_at) if entry.expires_at is not None else ()
        how = (b"NX",) if self._mode == "skip" else ()
        command: tuple[Any, ...] = (b"SET", entry.key, entry.value, *until, *how)
        self._flow.add(Sent(entry=_without_content(entry)), *_encoded(command))

    def _build(self, entry: Entry, now: float) -> None:
        """Build the value under a key of its own, and only when it is whole let it take its name."""
        key = temporary_key()
        sent = Sent(entry=_without_content(entry), temporary=key)
        if not self._field_expiry and commands.expires_by_field(entry):
            self._report.lose(entry)
            entry = commands.without_field_expiry(entry, now)
        if isinstance(entry.value, VectorSet):
            self._report.warn(_BUILT_VECTORS)
        self._flow.sent.append(sent)
        for command in commands.build(entry._replace(key=key), self._version, field_expiry=self._field_expiry):
            if sent.replies:
                self._flow.push(sent, *_encoded(command))
                continue
            # In one step with its expiry: should this run be killed, what it was building goes away by itself.
            for first in (("MULTI",), command, ("EXPIRE", key, _TEMPORARY), ("EXEC",)):
                self._flow.push(sent, *_encoded(first))
        if not sent.replies:
            # A collection whose members have all expired since: no server holds an empty one.
            self._flow.sent.pop()
            self._report.expired += 1

    def name(self, entry: Entry, temporary: bytes) -> None:
        """Give a value that was built whole its expiry and its name, in one step: no kill can come in between.

        Should RENAMENX find the name taken, what was built goes back to being temporary.
        """
        self._flow.select(entry.db)
        until = (b"PERSIST", temporary)
        if entry.expires_at is not None:
            until = (b"PEXPIREAT", temporary, b"%d" % entry.expires_at)  # type: ignore[assignment]
        rename = b"RENAMENX" if self._mode == "skip" else b"RENAME"
        naming = Sent(entry=entry, temporary=temporary, naming=True)
        self._flow.sent.append(naming)
        for command in (
            (b"MULTI",),
            until,
            (rename, temporary, entry.key),
            (b"EXPIRE", temporary, _TEMPORARY),
            (b"EXEC",),
        ):
            self._flow.push(naming, pack(*command))

    def discard(self, entry: Entry, temporary: bytes) -> None:
        """Delete what was built, or half built, for an entry that was not written."""
        self._flow.select(entry.db)
        self._flow.add(Sent(temporary=temporary), pack(b"DEL", temporary))


def any_oversized(batch: list[Entry]) -> bool:
    """Whether a payload is too large for one RESTORE."""
    # This runs no Python for each key.
    return max(map(len, filter(None, map(_PAYLOAD, batch))), default=0) > LARGEST_PAYLOAD


def buildable(entry: Entry, rdb_version: int | None) -> Entry:
    """An entry whose payload is too large for one RESTORE, with its value instead."""
    if entry.payload is None or rdb_version is None or len(entry.payload) <= LARGEST_PAYLOAD:
        return entry
    value = value_of(entry, rdb_version)
    if isinstance(value, VectorSet) and value.projection is not None:
        value = Opaque(seal(entry.payload, rdb_version))
    return entry._replace(payload=None, value=value)


def _without_content(entry: Entry) -> Entry:
    """An entry on its way, without its payload or value."""
    return entry._replace(payload=None, value=None)


def _encoded(command: commands.Command) -> list[bytes]:
    arguments = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return pieces(*arguments) if max(map(len, arguments)) > LARGE else [pack(*arguments)]

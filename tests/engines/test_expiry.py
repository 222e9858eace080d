"""When a key expires, as servers tell it that have no PEXPIRETIME: exact, however slow they are between two commands."""

import re
import time
from collections.abc import Callable
from typing import ClassVar

import pytest

from tests.support.backups import asking, endpoint
from tests.support.servers import Server
from worker.engines import scan, typed
from worker.engines.scan import Scan
from worker.engines.typed import Typed
from worker.formats.entries import Entry
from worker.server.reading.expiry import Window
from worker.server.wire import Wire

PAUSE_SECONDS = 0.02
KEYS = 30
each_engine = pytest.mark.parametrize("engine", [Scan, Typed], ids=["scan", "typed"])


class Halting(Wire):
    """A wire to a server that is not scheduled for a while behind the first PTTL that it is sent of each key."""

    halts: ClassVar[Callable[[bytes], bool]]

    def send(self, *packed: bytes) -> None:
        start, sent = 0, b"".join(packed)
        for asked in re.finditer(rb"\*2\r\n\$4\r\nPTTL\r\n\$\d+\r\n(.*?)\r\n", sent):
            if type(self).halts(asked[1]):
                super().send(sent[start : asked.end()])
                start = asked.end()
                time.sleep(PAUSE_SECONDS)
        super().send(sent[start:])


@pytest.fixture
def expiring(source: Server) -> dict[bytes, int]:
    """Keys of the source, and when they expire; besides them there is one that never does."""
    at = int(time.time() * 1000) + 5_000_000
    for number in range(KEYS):
        source.client().set(f"k{number}", "x")
        source.client().pexpireat(f"k{number}", at + number)
    source.client().set("stays", "x")
    return {b"k%d" % number: at + number for number in range(KEYS)}


def read(engine: type[Scan | Typed], server: Server) -> dict[bytes, Entry]:
    return {entry.key: entry for batch in engine(endpoint(server), [0]).batches() for entry in batch}


def halting(monkeypatch: pytest.MonkeyPatch, halts: Callable[[bytes], bool]) -> None:
    monkeypatch.setattr(Halting, "halts", staticmethod(halts), raising=False)
    for engine in (scan, typed):
        monkeypatch.setattr(engine, "Wire", Halting)


@each_engine
def test_a_server_that_pauses_between_a_key_and_its_clock_is_asked_again(
    engine: type[Scan | Typed], expiring: dict[bytes, int], source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted: set[bytes] = set()

    def once(key: bytes) -> bool:
        new = key in list(expiring)[::5] and key not in halted
        halted.add(key)
        return new

    halting(monkeypatch, once)
    found = read(engine, source)
    assert found.keys() == expiring.keys() | {b"stays"}
    assert found[b"stays"].expires_at is None
    assert all(abs((found[key].expires_at or 0) - at) <= 2 for key, at in expiring.items())


@each_engine
def test_a_server_that_always_pauses_is_not_asked_for_ever(
    engine: type[Scan | Typed], expiring: dict[bytes, int], source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    halting(monkeypatch, lambda key: key == b"k7")
    found = read(engine, source)
    assert found.keys() == expiring.keys() | {b"stays"}
    late = (found[b"k7"].expires_at or 0) - expiring[b"k7"]
    assert -1 <= late <= 50 * PAUSE_SECONDS * 1000


@each_engine
def test_a_key_that_got_another_expiry_or_went_since_it_was_read_keeps_the_first(
    engine: type[Scan | Typed], expiring: dict[bytes, int], source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {b"k1": ("PERSIST", "k1"), b"k2": ("PEXPIRE", "k2", 1000), b"k3": ("DEL", "k3")}
    if source.binary.version >= (7, 0):
        pytest.skip("asked for its expiry once, and not again")
    asked: set[bytes] = set()

    def changed(key: bytes) -> bool:
        if key in asked and key in changes:
            asking(source).execute_command(*changes[key])
        new = key not in asked
        asked.add(key)
        return new and key in changes

    halting(monkeypatch, changed)
    found = read(engine, source)
    assert found.keys() == expiring.keys() | {b"stays"}
    assert all(-1 <= (found[key].expires_at or 0) - at <= 10 * PAUSE_SECONDS * 1000 for key, at in expiring.items())


@each_engine
def test_a_server_that_tells_it_outright_is_asked_nothing_else(
    engine: type[Scan | Typed], expiring: dict[bytes, int], source: Server
) -> None:
    if source.binary.version < (7, 0):
        pytest.skip(f"{source.binary} has no PEXPIRETIME")
    source.client().config_resetstat()
    read(engine, source)
    asked = set(source.client().info("commandstats"))
    assert "cmdstat_pexpiretime" in asked
    assert not asked & {"cmdstat_pttl", "cmdstat_time"}


def test_two_windows_leave_what_both_allow() -> None:
    assert Window(10, 30).narrowed(Window(25, 26)) == Window(25, 26)
    assert Window(10, 30).narrowed(Window(5, 12)) == Window(10, 12)
    assert Window(10, 30).narrowed(Window(31, 31)) == Window(10, 30)
    assert [Window(10, latest).wide for latest in (10, 11, 12)] == [False, False, True]

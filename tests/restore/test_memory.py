"""A huge value passes without being held more than about twice, and large replies come whole past the parser."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import endpoint, unlocked
from tests.support.servers import Binary, Server
from tests.support.stopwatch import peak
from worker.errors import TargetError
from worker.formats.compare.long_strings import LONG, PIECE, LongString, in_common
from worker.formats.entries import EntriesAlone, Entry
from worker.repository import catalogue
from worker.restore.selection.plan import Demand
from worker.restore.target.report import Report
from worker.restore.target.target import Target
from worker.restore.undo.spool import PIECE_BYTES, Aside
from worker.server.wire import LARGE, Wire, pack, pieces
from worker.storage.local import Folder

HUGE = 96 << 20
BASE = 96 << 20
"""Bytes of a process that has done nothing yet (60 MB), and of what its allocator keeps: glibc gives blocks of up to 32 MB
back when it likes to."""


@pytest.fixture
def huge(newest: Binary, start_server: StartServer) -> Server:
    server = start_server(newest)
    client = server.client()
    block = os.urandom(8 << 20)
    for _ in range(HUGE // len(block)):
        client.append("huge", block)
    return server


@pytest.fixture
def other(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


@pytest.mark.slow
def test_a_huge_value_takes_at_most_two_and_a_half_times_its_size(huge: Server, other: Server, tmp_path: Path) -> None:
    steps = [
        ("backup", "--engine", "scan"),
        ("verify", "latest"),
        ("restore", "latest", "--to", "t", "--yes"),
        ("restore", "latest", "--to", "t", "--yes", "--mode", "overwrite"),
        ("preview", "latest", "--to", "t"),
    ]
    peaks = {step: peak(tmp_path, huge, other, *step) for step in steps}
    assert max(peaks.values()) < BASE + 2.5 * HUGE, peaks
    assert other.client().get("huge") == huge.client().get("huge")


@pytest.mark.slow
def test_three_huge_values_of_a_key_are_never_held_at_once(huge: Server, other: Server, tmp_path: Path) -> None:
    mine = os.urandom(HUGE)
    other.client().set("huge", mine)
    peaks = {"backup": peak(tmp_path, huge, other, "backup", "--engine", "scan")}
    for step in [
        ("preview", "latest", "--to", "t", "--mode", "overwrite"),
        ("restore", "latest", "--to", "t", "--yes", "--mode", "overwrite"),
    ]:
        peaks[step[0]] = peak(tmp_path, huge, other, *step)
    (undo,) = [one.name for one in catalogue.read(Folder(tmp_path)).undos]
    other.client().append("huge", "x")
    peaks["undo of what others have changed"] = peak(tmp_path, huge, other, "undo", undo, "--yes")
    other.client().set("huge", huge.client().get("huge") or b"")
    peaks["undo"] = peak(tmp_path, huge, other, "undo", undo, "--yes", "--force")
    assert max(peaks.values()) < BASE + 2.5 * HUGE, peaks
    assert other.client().get("huge") == mine


def test_what_waits_on_disk_comes_back_and_is_compared_there() -> None:
    payload = os.urandom(3 * PIECE_BYTES + 7)
    aside = Aside(payload)
    assert aside.equals(payload)
    assert aside.payload() == payload
    for other in (b"", payload[:-1], payload + b"x", payload[:-1] + bytes([payload[-1] ^ 1]), b"x" + payload[1:]):
        assert not aside.equals(other)


@pytest.mark.parametrize("at", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 6])
def test_long_strings_are_compared_where_they_lie(at: int) -> None:
    content = os.urandom(3 * PIECE + 7)
    changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    long, other = (LongString.of(b"\x00\x80" + len(one).to_bytes(4, "big") + one) for one in (content, changed))
    assert long is not None
    assert other is not None
    assert (len(long), long[at], long[at : at + 9]) == (len(content), content[at], content[at : at + 9])
    assert long == content
    assert content == long
    assert long != other
    assert long != "text"
    assert in_common(long, other) == in_common(content, changed) == at
    assert in_common(long, content) == in_common(content, content + b"x") == len(content)


def test_what_is_no_plain_long_string_is_decoded() -> None:
    plain = b"\x00\x80" + (2 * LONG).to_bytes(4, "big") + bytes(2 * LONG)
    assert LongString.of(plain) is not None
    others = [b"\x00" + head + plain[2:] for head in (b"\xc3", b"\x82")]
    for payload in (b"\x00\x01x", plain[:-1], plain + b"x", b"\x01" + plain[1:], *others):
        assert LongString.of(payload) is None


@pytest.mark.slow
def test_a_huge_value_takes_no_more_of_it_in_json(huge: Server, other: Server, tmp_path: Path) -> None:
    steps = [
        ("backup", "--format", "json", "--engine", "replication"),
        ("backup", "--format", "json", "--engine", "scan"),
        ("verify", "latest"),
        ("restore", "latest", "--to", "t", "--yes"),
    ]
    peaks = {step: peak(tmp_path, huge, other, *step) for step in steps}
    assert max(peaks.values()) < BASE + 2.5 * HUGE, peaks
    assert other.client().get("huge") == huge.client().get("huge")


@pytest.mark.parametrize("size", [LARGE, LARGE + 1, 3 * LARGE + 7])
def test_large_replies_come_in_two_and_those_around_them_whole(size: int, source: Server) -> None:
    client = source.client()
    value = os.urandom(size)
    client.set("large", value)
    client.set("small", b"\r\n$9999999\r\nx")
    asked = [b"small", b"large", b"none", b"large", b"small", b"large"] * 3
    with Wire(endpoint(source)) as wire:
        wire.send(b"".join(pack(b"GET", key) for key in asked))
        replies = list(wire.replies(len(asked), cut=10))
        assert wire.ask(b"PING") == b"PONG"
    small = {b"small": client.get("small"), b"none": None, b"large": value}
    for key, reply in zip(asked, replies, strict=True):
        assert (b"".join(reply) if isinstance(reply, tuple) else reply) == small[key]
        assert isinstance(reply, tuple) == (key == b"large" and size > LARGE)


def test_a_command_in_pieces_is_the_same_command() -> None:
    large = bytes(LARGE + 1)
    for arguments in [(b"PING",), (b"SET", b"k", large), (b"MSET", b"a", large, b"b", b"c")]:
        assert b"".join(pieces(*arguments)) == pack(*arguments)
    assert any(piece is large for piece in pieces(b"SET", b"k", large))


class Losing(EntriesAlone):
    """A stream that says of one key more that it was taken than it gives."""

    rdb_version = None

    def __init__(self, report: Report) -> None:
        self.libraries: list[bytes] = []
        self._report = report

    def batches(self) -> Iterator[list[Entry]]:
        self._report.taken += 1
        yield [Entry(0, b"given", None, "string", None, b"value")]


def test_counts_that_do_not_add_up_are_an_error(source: Server) -> None:
    target = Target(endpoint(source), "overwrite")
    target.check(Demand(None, [0]))
    with pytest.raises(TargetError, match="of 2 keys that were taken from the backup 1 have no outcome"):
        list(target.restore(Losing(target.report), unlocked(endpoint(source))))
    assert target.report.restored == 1

"""Whole files that somebody has changed: each is what a server makes of it, or refused in words; nothing hangs, nothing ends a server."""

import re
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import StartServer
from tests.support.backups import asking, bring_back, settings_for, wipe
from tests.support.data import fill_rare
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.backups.adopt import adopt
from worker.errors import BackupSystemError
from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader.window import CHECKSUM_BYTES
from worker.progress import silent

FILES = [path.read_bytes() for path in sorted((Path(__file__).parent / "files").glob("*.rdb"))]
HEADER = 9
TELLING = (0, 1, 2, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xF8, 0xFE, 0xFF)
MOST_MEMORY = 400 << 10
"""Kilobytes that our own process may grow by, over all examples: a length that a file only claims is never taken for one."""

CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1 << 16), st.sampled_from(("flip", "set", "drop", "put", "double", "cut")), st.integers(0, 255)
    ),
    min_size=1,
    max_size=3,
)


def changed(data: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    """The file with these changes behind its header, and a checksum that is right again."""
    body = bytearray(data[:-CHECKSUM_BYTES])
    for place, how, number in changes:
        at = HEADER + place % max(1, len(body) - HEADER)
        if how == "flip":
            body[at] ^= 1 << number % 8
        elif how == "set":
            body[at] = TELLING[number % len(TELLING)]
        elif how == "drop":
            del body[at : at + 1 + number % 3]
        elif how == "put":
            body.insert(at, number)
        elif how == "double":
            body[at:at] = body[at : at + number]
        else:
            del body[at:-1]
    checksum: int = crc64(bytes(body))
    return bytes(body) + checksum.to_bytes(CHECKSUM_BYTES, "little")


def saved(server: Server) -> bytes:
    """The file that it writes of what it holds."""
    server.client().save()
    return (server.folder / "dump.rdb").read_bytes()


class Reference:
    """A server that loads files itself; it ends where it does not like one, and is started anew."""

    def __init__(self, server: Server) -> None:
        self._server, self._file = server, server.folder / "dump.rdb"

    def load(self, data: bytes) -> bool:
        """Whether it loads the file."""
        wipe(self._server)
        self._file.write_bytes(data)
        try:
            return bool(asking(self._server).execute_command("DEBUG", "RELOAD", "NOSAVE"))
        except redis.ResponseError:
            return False
        except redis.ConnectionError:
            self._revive()
            return False

    def holds(self, besides: list[dict[str, Any]]) -> State | None:
        """What it holds but for these keys; None where that ends it, for they are damaged."""
        try:
            for one in besides:
                asking(self._server, one["db"]).execute_command("DEL", one["key"])
            return state(self._server)
        except redis.ConnectionError:
            self._revive()
            return None

    def _revive(self) -> None:
        self._server.process.wait()
        self._file.unlink()
        self._server.start()


def taken(data: bytes, target: Server, folder: Path) -> dict[str, Any] | str:
    """The report of its restore into an empty server; the words where the file is refused."""
    wipe(target)
    path, storage = folder / "changed.rdb", folder / "backups"
    path.write_bytes(data)
    try:
        name = adopt(settings_for(target, storage), AdoptArguments(file=path, with_damaged=True), silent)["name"]
        return bring_back(target, storage, name, mode="overwrite")
    except BackupSystemError as error:
        return str(error)
    finally:
        for left in storage.glob("*"):
            left.unlink()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_changed_file_is_what_a_server_makes_of_it_or_refused(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    target, loader = start_server(newest), start_server(newest)
    fill_rare(loader.client(), newest)
    files, reference = [*FILES, saved(loader)], Reference(loader)
    seen: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(max_examples=400, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(files), CHANGES)
    def look(original: bytes, changes: list[tuple[int, str, int]]) -> None:
        data = changed(original, changes)
        told = taken(data, target, tmp_path)
        assert target.client().ping()
        if isinstance(told, str):
            assert re.fullmatch(r"[A-Z][^\n]*\.", told), told
            assert re.search(r"byte [\d,]+|database [\d,]+|RDB file|RDB version", told), told
            seen["refused"] += 1
            return
        failures = told["failures"]
        assert all(one["key"] is not None and one["type"] and one["error"] for one in failures)
        if told["failed"] > len(failures) or not reference.load(data):
            seen["not compared"] += 1
            return
        for one in failures:
            asking(target, one["db"]).execute_command("DEL", one["key"])
        theirs = reference.holds(failures)
        if theirs is not None:
            assert_same(theirs, state(target))
        seen["same" if theirs is not None else "not compared"] += 1

    look()
    assert min(seen["refused"], seen["same"]) > 20, seen
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY

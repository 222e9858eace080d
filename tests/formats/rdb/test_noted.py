"""A file with one more AUX field in it is the same file to every server, and its checksum is right."""

import pytest

from tests.conftest import StartServer
from tests.support.data import fill
from tests.support.servers import Binary
from tests.support.states import assert_same
from worker.formats.rdb import Reader
from worker.formats.rdb.noted import noted


@pytest.mark.parametrize("size", [1, 8, 9, 10, 1 << 20])
def test_a_server_loads_it_and_it_says_what_it_was_told(size: int, newest: Binary, start_server: StartServer) -> None:
    source, target = start_server(newest), start_server(newest)
    fill(source.client(), source.binary)
    source.client().save()
    dump = (source.folder / "dump.rdb").read_bytes()
    pieces = iter([dump[start : start + size] for start in range(0, len(dump), size)])
    told = b"".join(noted(pieces, "ours", "a" * 300))
    reader = Reader(iter([told]), values=True)
    assert sum(map(len, reader.batches())) == source.client().dbsize()
    assert reader.facts["ours"] == "a" * 300
    assert len(told) > len(dump)
    target.stop()
    (target.folder / "dump.rdb").write_bytes(told)
    target.start()
    assert_same(source, target)

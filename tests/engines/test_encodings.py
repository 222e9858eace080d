"""Collections in every encoding that a server can be told to use: loose at the source and packed at the target, or the other way."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import DATABASES, bring_back, fill_all, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same

ENCODINGS = {
    "loose": {"entries": "0", "value": "0", "list": "1", "compress": "0", "intset": "0"},
    "packed": {"entries": "100000", "value": "100000", "list": "-5", "compress": "1", "intset": "100000"},
}
WAYS = [
    ("replication", "rdb"),
    pytest.param(("scan", "rdb"), marks=pytest.mark.slow),
    pytest.param(("replication", "json"), marks=pytest.mark.slow),
    pytest.param(("typed", "json"), marks=pytest.mark.slow),
]


def options(encodings: str, binary: Binary) -> list[str]:
    """The settings by the names that all servers know."""
    told = ENCODINGS[encodings]
    found = {"set-max-intset-entries": told["intset"], "list-compress-depth": told["compress"]}
    found |= {"list-max-ziplist-size": told["list"]}
    for kind in ("hash", "zset"):
        found |= {f"{kind}-max-ziplist-{what}": told[what] for what in ("entries", "value")}
    if binary.version >= (7, 2):
        found |= {f"set-max-listpack-{what}": told[what] for what in ("entries", "value")}
    return [word for name, value in found.items() for word in (f"--{name}", value)]


def encoding(server: Server, key: str) -> bytes:
    return bytes(server.client().object("encoding", key))


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("one", "other"), [("loose", "packed"), ("packed", "loose")])
def test_collections_come_back_into_another_encoding(
    one: str, other: str, way: tuple[str, str], binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(binary, *options(one, binary)))
    target = start_server(binary, *options(other, binary))
    # A server that packs a sorted set makes 0 of -0 itself.
    for db in DATABASES:
        source.client(db).zrem("zset:small", "neg0")
    engine, data_format = way
    manifest = take(source, tmp_path, engine=engine, format=data_format)
    report = bring_back(target, tmp_path)
    assert (report["restored"], report["failed"], report["warnings"]) == (manifest["keys"], 0, [])
    for key in ("hash:small", "hash:big", "zset:small", "zset:big", "set:int64"):
        assert encoding(source, key) != encoding(target, key)
    assert_same(source, target, times=data_format == "rdb")

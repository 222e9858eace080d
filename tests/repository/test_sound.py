"""Files that nobody vouches for: what would end a server is told, left out and counted, and never sent."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import StartServer
from tests.formats.rdb.damaged import DAMAGED, FINE, file_of
from tests.support.backups import Given, bring_back, rewrite, settings_for
from tests.support.data import vector
from tests.support.servers import Binary, Server
from worker.arguments.backups import AdoptArguments, VerifyArguments
from worker.arguments.restore import Mode, PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.adopt import adopt
from worker.backups.verify import verify
from worker.errors import ArtifactError, FormatError, IncompleteError
from worker.formats.entries import Entry
from worker.formats.rdb.payload import FOOTER_BYTES, crc64, seal, version_of
from worker.formats.rdb.reader.soundness import check
from worker.formats.rdb.writer import write
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.preview.preview import preview
from worker.restore.restore import check_complete, restore
from worker.restore.undo.undo import undo
from worker.storage.local import Folder

EMPTY = [("list", b"\x01"), ("set", b"\x02"), ("zset", b"\x05"), ("hash", b"\x04")]


@pytest.mark.parametrize(("kind", "payload"), DAMAGED.values(), ids=DAMAGED)
def test_what_would_end_a_server_is_refused(kind: str, payload: bytes) -> None:
    with pytest.raises(FormatError, match=r"\.$"):
        check(payload, 12)


def test_what_a_server_writes_is_not(source: Server) -> None:
    for payload in _written(source.client()):
        assert check(payload[:-FOOTER_BYTES], version_of(payload))


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_file_with_a_damaged_value_is_refused_with_its_place(
    data_format: str, tmp_path: Path, target: Server
) -> None:
    kind, payload = DAMAGED["a field twice"]
    path = file_of(tmp_path, [*FINE, Entry(3, b"bad key\n", None, kind, payload)], data_format)
    with pytest.raises(
        ArtifactError,
        match=r"the hash 'bad key\\\\x0a' of database 3 \(A hash holds something twice, in the value that begins at byte 1\)",
    ):
        adopt(settings_for(target, tmp_path / "backups"), AdoptArguments(file=path), silent)
    assert not catalogue.read(Folder(tmp_path / "backups")).backups


@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_restore_leaves_out_what_is_damaged_and_counts_it(
    data_format: str, mode: Mode, target: Server, tmp_path: Path
) -> None:
    # What breaks off takes the rest of a file with it.
    whole = [of for what, of in DAMAGED.items() if "breaks off in a stream" not in what]
    bad = [Entry(0, b"bad:%d" % number, None, *of) for number, of in enumerate(whole)]
    empty = [Entry(0, b"empty:%d" % number, None, kind, code + b"\x00") for number, (kind, code) in enumerate(EMPTY)]
    # The oldest version that every server here takes, for what is fine.
    path = file_of(tmp_path, [*FINE[:9], *bad, *empty, *FINE[9:]], data_format)
    settings = settings_for(target, tmp_path / "backups")
    manifest = adopt(settings, AdoptArguments(file=path, with_damaged=True), silent)
    assert manifest["keys"] == len(FINE) + len(bad)
    assert manifest["damaged"] == len(bad)
    assert any("4 of its keys are empty collections" in one for one in manifest["warnings"])
    assert any("damaged" in one for one in verify(settings, VerifyArguments(name="latest"), silent)["warnings"])
    target.client().set("mine", "x")
    target.client().set("bad:0", "was here")
    foretold = preview(settings, PreviewArguments(name="latest", mode=mode), silent)
    assert [one["key"] for one in foretold["damaged"]] == [f"bad:{number}" for number in range(len(bad))]
    assert any("'bad:0'" in one for one in foretold["warnings"])
    report = restore(settings, RestoreArguments(name="latest", mode=mode), silent)
    assert {name: report[name] for name in foretold["forecast"]} == foretold["forecast"]
    assert (report["restored"], report["failed"], report["deleted"]) == (len(FINE), len(bad), 0)
    with pytest.raises(IncompleteError, match="the target was not given it"):
        check_complete(report)
    client = target.client()
    assert (client.get("mine"), client.get("bad:0"), client.dbsize()) == (b"x", b"was here", len(FINE) + 2)
    undone = undo(settings, UndoArguments(run=report["undo"]["name"]), silent)
    assert (undone["deleted"], undone["left_alone"]) == (len(FINE), 0)
    assert sorted(client.keys()) == [b"bad:0", b"mine"]


def test_what_was_adopted_before_damage_was_looked_for_does_not_verify(target: Server, tmp_path: Path) -> None:
    path = file_of(tmp_path, [*FINE, Entry(0, b"bad", None, *DAMAGED["an integer twice"])])
    settings, storage = settings_for(target, tmp_path / "backups"), Folder(tmp_path / "backups")
    name = adopt(settings, AdoptArguments(file=path, with_damaged=True), silent)["name"]
    rewrite(storage, catalogue.get(storage, name).model_copy(update={"damaged": 0}))
    with pytest.raises(ArtifactError, match="the set 'bad' of database 0"):
        verify(settings, VerifyArguments(name=name), silent)
    assert bring_back(target, storage.path)["failed"] == 1


def test_a_file_with_empty_collections_is_what_a_server_makes_of_it(target: Server, tmp_path: Path) -> None:
    empty = [Entry(0, b"empty:%d" % number, None, kind, code + b"\x00") for number, (kind, code) in enumerate(EMPTY)]
    path = file_of(tmp_path, [*FINE, *empty])
    settings = settings_for(target, tmp_path / "backups")
    assert adopt(settings, AdoptArguments(file=path), silent)["keys"] == len(FINE)
    report = bring_back(target, tmp_path / "backups")
    assert (report["restored"], report["failed"], report["expired"]) == (len(FINE), 0, 0)
    assert verify(settings, VerifyArguments(name="latest"), silent)["keys"] == len(FINE)


# An opcode that no server has, and ones of which what follows is longer than the file.
ODD = [
    b"\xf2\x01",
    b"\xf6\x01",
    b"\xf4\x81" + b"\xff" * 8,
    b"\xfa\x80\x7f\xff\xff\xff",
    b"\xfa\x01a\x80\x00\x00\xff\xff",
]


@pytest.mark.parametrize("odd", ODD, ids=bytes.hex)
def test_a_whole_file_with_what_nobody_knows_is_not_called_cut(odd: bytes, tmp_path: Path, target: Server) -> None:
    data = b"".join(write(Given(FINE, rdb_version=12), {}))
    odd = data[:9] + odd + data[9:-8]
    path = tmp_path / "odd.rdb"
    path.write_bytes(odd + crc64(odd).to_bytes(8, "little"))
    with pytest.raises(ArtifactError) as caught:
        adopt(settings_for(target, tmp_path / "backups"), AdoptArguments(file=path), silent)
    assert "cut short" not in str(caught.value)
    assert any(words in str(caught.value) for words in ("nothing of it is missing", "does not know", "none can begin"))


def _written(client: "redis.Redis") -> Iterator[bytes]:
    """What this server writes of small values of all types, packed and unpacked."""
    for limit in (128, 0):
        for name in ("hash", "zset", "set"):
            for kind in ("listpack", "ziplist"):
                try:
                    client.config_set(f"{name}-max-{kind}-entries", limit)
                except redis.ResponseError:
                    continue
        client.flushall()
        _fill(client)
        for key in client.scan_iter():
            yield bytes(client.dump(key))  # type: ignore[arg-type]


def _fill(client: Any) -> None:
    client.set("text", "x" * 50)
    client.set("squeezed", "abc" * 100)
    client.set("number", 12345)
    client.rpush("list", "a", 1, -5, 3000, 70000, 2**40, "z" * 70, "q" * 5000)
    client.sadd("numbers", 1, 2, 3, 70000)
    client.sadd("set", "a", "b", "c", 1, "w" * 70)
    client.hset("hash", mapping={"a": 1, "b": "two", "c" * 70: "d", "n": -1000})
    client.zadd("zset", {"a": 1, "b": 2.5, "c": -3, "d": float("inf")})
    for one in ("1-1", "1-2", "2-0", "5-2"):
        client.xadd("stream", {"a": one, "b": 2}, id=one)
    client.xdel("stream", "1-2")
    client.xgroup_create("stream", "group", 0)
    client.xreadgroup("group", "one", {"stream": ">"}, count=2)
    client.xreadgroup("group", "other", {"stream": ">"}, count=1)
    client.hset("expiring", mapping={"a": 1, "b": 2, "c": 3})
    try:
        client.execute_command("HPEXPIRE", "expiring", 10**9, "FIELDS", 1, "a")
        client.execute_command("HPEXPIRE", "expiring", 10**8, "FIELDS", 1, "b")
    except redis.ResponseError:
        client.delete("expiring")
    with suppress(redis.ResponseError):
        for number in range(8):
            how = ("NOQUANT" if number else "Q8", "SETATTR", '{"a": 1}') if number % 2 == 0 else ("NOQUANT",)
            client.execute_command("VADD", f"vectors{number == 0}", "FP32", vector(number), f"e{number}", *how)


USES: dict[bytes, list[list[Any]]] = {
    b"string": [["GET"], ["APPEND", "x"], ["SETRANGE", 3, "y"], ["BITCOUNT"]],
    b"list": [["LRANGE", 0, -1], ["LPUSH", "a"], ["LINSERT", "before", "a", "c"], ["LREM", 0, "a"], ["RPOP"], ["LPOP"]],
    b"set": [["SMEMBERS"], ["SISMEMBER", "a"], ["SADD", "new", 5], ["SREM", "a"], ["SRANDMEMBER", 5], ["SPOP"]],
    b"zset": [["ZRANGE", 0, -1], ["ZADD", 4, "new"], ["ZRANK", "a"], ["ZREM", "a"], ["ZPOPMIN"], ["ZRANDMEMBER", 5]],
    b"hash": [["HGETALL"], ["HSET", "new", 1], ["HDEL", "a"], ["HRANDFIELD", 5], ["HINCRBY", "n", 1]],
    b"stream": [["XRANGE", "-", "+"], ["XREVRANGE", "+", "-"], ["XADD", "*", "a", "b"], ["XDEL", "1-1"], ["XLEN"]],
}
NEAR = ("VALUES", 8, *range(8))
USES[b"vectorset"] = [["VSIM", *NEAR], ["VEMB", "e2"], ["VLINKS", "e2"], ["VINFO"], ["VADD", *NEAR, "new"]]
USES[b"vectorset"] += [
    ["VREM", "e1"],
    ["VSETATTR", "e2", "{}"],
    ["VSIM", "ELE", "e3"],
    ["VRANDMEMBER", 5],
    ["VREM", "e2"],
]
FIRST: list[list[Any]] = [["DUMP"], ["OBJECT ENCODING"], ["MEMORY USAGE"]]


def _use(client: Any, key: str) -> None:
    """All that a server does with a value, damaged as it may be. ConnectionError where that ends it."""
    for name, *arguments in (*FIRST, *USES.get(client.type(key), []), ["DUMP"], ["DEL"]):
        try:
            client.execute_command(name, key, *arguments)
        except redis.ResponseError:
            continue


def _mutated(payload: bytes, chance: random.Random) -> bytes:
    data = bytearray(payload)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at, how = chance.randrange(1, len(data)), chance.randrange(8)
        if how < 3:
            data[at] ^= 1 << chance.randrange(8)
        elif how < 6:
            data[at] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xC0, 0xE0, 0xF0, 0xFE, 0xFF))
        elif how == 6:
            del data[at]
        else:
            data.insert(at, chance.randrange(256))
    return bytes(data)


@pytest.mark.parametrize("rounds", [3000, pytest.param(60_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_no_mutant_that_passes_ends_a_server(rounds: int, binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary)
    client, chance = server.client(), random.Random(rounds)  # noqa: S311 - no secret
    corpus, passed = sorted(_written(client)), 0
    for number in range(rounds):
        original = chance.choice(corpus)
        mutant, version = _mutated(original[:-FOOTER_BYTES], chance), version_of(original)
        try:
            check(mutant, version)
        except FormatError:
            continue
        passed += 1
        try:
            client.restore("key", 0, seal(mutant, version), replace=True)
        except redis.ResponseError:
            continue
        try:
            _use(client, "key")
        except redis.ConnectionError:
            pytest.fail(f"mutant {number} ended {binary}: {mutant.hex()}")
    assert passed > rounds / 20

"""Small files that grow are refused in one sentence, soon, within little memory and with nothing written: also a second time."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import files, rewrite
from tests.support.given import stored, string
from tests.support.payloads import length
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from tests.support.stopwatch import watched
from worker.config.settings import CompressionName
from worker.formats.compression import COMPRESSIONS
from worker.formats.entries import Entry
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.storage.local import Folder

OPENING = b"REDIS0011\xfe\x00"
MEGABYTES = [bytes(1 << 20)] * 300
DOCUMENT = b'{"format":"redis-backup","version":1,"keys":[\n'
CPU_SECONDS = 30
"""Unbounded, each of these is at work for minutes. Much more than it takes, for a machine may be slow."""
MOST_BYTES = 384 << 20
"""That a process of ours takes, which has done nothing yet, is 60 MB; unbounded, these take gigabytes."""
REFUSED = "made to fill a disk or a memory"


def lzf(head: bytes, pattern: bytes, size: int, tail: bytes = b"") -> bytes:
    """A compressed string of RDB: `head`, a pattern again and again, `tail`; `size` bytes or a little more."""
    times = size // 264
    made = bytes([len(head + pattern) - 1]) + head + pattern
    made += bytes([0xE0, 0xFF, len(pattern) - 1]) * times
    made += bytes([len(tail) - 1]) + tail if tail else b""
    return b"\xc3" + length(len(made)) + length(len(head + pattern + tail) + 264 * times) + made


def packed(size: int) -> bytes:
    """A list in one listpack, of the same number again and again."""
    size = size // 264 * 264 + 10
    return b"\x12\x01k\x01\x02" + lzf(size.to_bytes(4, "little") + b"\xff\xff", b"\xc8\x00\x02", size - 10, b"\xff")


def keys() -> Iterator[bytes]:
    """Three bytes each."""
    yield OPENING
    yield from MEGABYTES


def one_hash() -> Iterator[bytes]:
    """A key that fits no window, with two bytes for a field and its value."""
    yield OPENING + b"\x04\x01k" + length(150 << 20)
    yield from MEGABYTES


def strings() -> Iterator[bytes]:
    """A hundred times 5 MB, each of which is not much by itself."""
    yield OPENING + b"".join(b"\x00" + string(b"%d" % number)[1:] + lzf(b"", b"x", 5 << 20) for number in range(100))


def one_list() -> Iterator[bytes]:
    yield OPENING + packed(100 << 20)


def many_lists() -> Iterator[bytes]:
    yield OPENING + packed(1 << 20) * 300


def line() -> Iterator[bytes]:
    """A list of half a million lists, and more and more of them."""
    yield DOCUMENT + b'{"db":0,"key":"k","type":"list","value":['
    yield from [b"[]," * (1 << 19)] * 300


FILES = [
    pytest.param("zstd", keys, id="keys, zstd"),
    *[
        pytest.param(compression, bomb, id=f"{bomb.__name__}, {compression}", marks=pytest.mark.slow)
        for compression, bomb in (
            ("gzip", keys),
            ("zstd", one_hash),
            ("zstd", strings),
            ("zstd", one_list),
            ("zstd", many_lists),
            ("gzip", line),
        )
    ],
]


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


def assert_refused(storage: Path, server: Server, *verb: str) -> None:
    """Twice: what is refused leaves nothing behind that would make the next one dearer."""
    for _ in range(2):
        ended = watched(storage, server, server, *verb, seconds=CPU_SECONDS)
        # A search says what it could not look through.
        assert ended.code == (0 if verb[0] == "search" else 1), ended.said
        assert REFUSED in ended.said
        assert "Traceback" not in ended.said
        assert ended.peak < MOST_BYTES, ended


@pytest.mark.parametrize("verb", ["adopt", "export"])
@pytest.mark.parametrize(("compression", "bomb"), FILES)
def test_a_foreign_file_that_grows_is_refused(
    compression: CompressionName, bomb: Callable[[], Iterator[bytes]], verb: str, server: Server, tmp_path: Path
) -> None:
    path, storage = tmp_path / "bomb", tmp_path / "storage"
    with path.open("wb") as file:
        file.writelines(COMPRESSIONS[compression].compress(bomb()))
    assert path.stat().st_size < 2 << 20
    out = () if verb == "adopt" else ("-o", str(tmp_path / "out.json"))
    assert_refused(storage, server, verb, str(path), *out)
    assert files(storage) == []
    assert {one.name for one in tmp_path.iterdir()} <= {"bomb", "storage"} | {server.folder.name}


@pytest.mark.slow
def test_a_plain_file_of_which_one_value_grows_is_refused(server: Server, tmp_path: Path) -> None:
    path, storage = tmp_path / "dump.rdb", tmp_path / "storage"
    path.write_bytes(b"".join(one_list()) + b"\xff" + bytes(8))
    assert_refused(storage, server, "adopt", str(path))
    assert files(storage) == []


@pytest.mark.slow
def test_a_file_that_is_larger_than_it_is_believed_is_taken_in_once_that_is_said(
    server: Server, tmp_path: Path
) -> None:
    path, storage = tmp_path / "dump.rdb.zst", tmp_path / "storage"
    dump = OPENING + b"\x00\x01k" + string(b"x" * (5 << 20))[1:] + b"\xff" + bytes(8)
    path.write_bytes(b"".join(COMPRESSIONS["zstd"].compress(iter([dump]))))
    assert_refused(storage, server, "adopt", str(path))
    for most, code in ((len(dump) - 1, 1), (len(dump), 0)):
        ended = watched(storage, server, server, "adopt", str(path), "--max-size", str(most))
        assert ended.code == code, ended.said


@pytest.mark.slow
def test_what_was_taken_in_as_it_was_said_to_be_trusted_is_verified_previewed_and_restored(
    server: Server, tmp_path: Path
) -> None:
    """A packed value that is larger than the whole file."""
    path, storage, most = tmp_path / "dump.rdb", tmp_path / "storage", 64 << 20
    path.write_bytes(OPENING + packed(5 << 20) + b"\xff" + bytes(8))
    assert_refused(storage, server, "adopt", str(path))
    for verb in (
        ["adopt", str(path), "--max-size", str(most)],
        ["verify", "latest"],
        ["preview", "latest"],
        ["restore", "latest"],
    ):
        ended = watched(storage, server, server, *verb)
        assert ended.code == 0, ended.said
    (kept,) = catalogue.read(Folder(storage)).backups
    assert kept.max_size == most
    assert server.client().dbsize() == 1


GIVEN = [Entry(0, b"k%d" % number, None, "string", string(b"value")) for number in range(3)]


def replace(storage: Path, manifest: Manifest, bomb: Iterator[bytes]) -> None:
    """Another artifact, of which the manifest knows all but how large it becomes."""
    content = b"".join(COMPRESSIONS["zstd"].compress(bomb))
    (storage / manifest.name).write_bytes(content)
    size = manifest.bytes.model_copy(update={"stored": len(content)})
    told = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": size}
    rewrite(Folder(storage), catalogue.get(Folder(storage), manifest.name).model_copy(update=told))


def growing() -> Iterator[bytes]:
    """The keys of GIVEN and one more, which does not end."""
    yield OPENING + b"".join(b"\x00\x02" + one.key + (one.payload or b"")[1:] for one in GIVEN)
    yield b"\x00\x01k\x81" + (len(MEGABYTES) << 20).to_bytes(8, "big")
    yield from MEGABYTES


VERBS = [
    "verify NAME",
    "export NAME -o OUT",
    "preview NAME --to t",
    "preview NAME --to t --mode mirror",
    "restore NAME --to t --yes",
    "restore NAME --to t --yes --mode overwrite",
    "restore NAME --to t --yes --mode mirror",
    "search k1",
    "search --match k*",
]


@pytest.mark.slow
@pytest.mark.parametrize("filled", [True, False], ids=["filled", "empty"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_backup_that_grows_is_refused(verb: str, filled: bool, server: Server, tmp_path: Path) -> None:
    if filled:
        server.client().mset({"k1": "mine", "other": "mine"})
    before, storage, out = state(server), tmp_path / "storage", tmp_path / "out.json"
    manifest = stored(storage, GIVEN)
    replace(storage, manifest, growing())
    there = files(storage)
    given = {"NAME": manifest.name, "OUT": str(out)}
    assert_refused(storage, server, *(given.get(word, word) for word in verb.split()))
    assert_same(state(server), before)
    # A mirror into an empty server keeps that there was nothing, and reads the backup only then.
    assert files(storage) == there or (verb.endswith("mirror") and not filled)
    assert not out.exists()


@pytest.mark.parametrize("which", ["the backup", "what was kept"])
@pytest.mark.parametrize(
    "mode", ["overwrite", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("skip", "mirror"))]
)
def test_an_undo_of_what_grows_is_refused(which: str, mode: str, server: Server, tmp_path: Path) -> None:
    server.client().mset({"k1": "mine", "other": "mine"})
    storage = tmp_path / "storage"
    backup = stored(storage, GIVEN)
    done = watched(storage, server, server, "restore", backup.name, "--to", "t", "--yes", "--mode", mode)
    assert done.code == 0, done.said
    kept, *_ = catalogue.read(Folder(storage)).undos
    before = state(server)
    replace(storage, backup if which == "the backup" else kept, growing())
    assert_refused(storage, server, "undo", kept.name, "--yes")
    assert_same(state(server), before)

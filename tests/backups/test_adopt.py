"""A file is taken in: of any server and in both formats, and nothing that is no backup, that is cut, or that bursts."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backups.given import DUMP, ENTRIES, checked, squeezed
from tests.conftest import StartServer
from tests.formats.rdb import files as rdb
from tests.support.backups import ANYWHERE, Given, bring_back, files, fill_all, killed, settings_for, take, wipe
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments, PruneArguments
from worker.backups.adopt import adopt
from worker.backups.prune import prune
from worker.config.settings import CompressionName, Settings
from worker.errors import ArtifactError, NotFoundError
from worker.formats import portable
from worker.formats.compression import COMPRESSIONS
from worker.progress import silent
from worker.repository import catalogue
from worker.storage.local import Folder


@pytest.mark.parametrize("name", rdb.NAMES)
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_an_rdb_file_of_any_server_is_taken_in(
    name: str, compression: CompressionName, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    suffix = COMPRESSIONS[compression].suffix
    path = tmp_path / f"dump.rdb{suffix}"
    path.write_bytes(squeezed(compression, rdb.data(name)))
    manifest = adopt(settings, AdoptArguments(file=path), silent)
    expected = rdb.expected(name)
    assert (manifest["kind"], manifest["pinned"], manifest["keys"]) == ("adopted", True, len(expected))
    assert manifest["expiring"] == sum(one.expires_at is not None for one in expected)
    assert set(manifest["keys_by_db"]) == {"0", "3"}
    assert manifest["name"].endswith(suffix or ".zst")
    assert manifest["bytes"]["raw"] == len(rdb.data(name))
    if name != "redis-2.8.17":
        assert manifest["source"]["version"] == name.removeprefix("redis-")
    assert checked(settings, manifest["name"])["keys"] == len(expected)
    content = (storage / manifest["name"]).read_bytes()
    assert b"".join(COMPRESSIONS[manifest["compression"]].decompress(iter([content]))) == rdb.data(name)
    if compression != "none":
        assert content == path.read_bytes()


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_portable_document_is_taken_in_and_restored(
    compression: CompressionName, newest: Binary, start_server: StartServer, storage: Path, tmp_path: Path
) -> None:
    source = start_server(newest)
    before = state(fill_all(source), times=False)
    original = take(source, tmp_path / "elsewhere", format="json", compression=compression)
    manifest = adopt(
        settings_for(source, storage), AdoptArguments(file=tmp_path / "elsewhere" / original["name"]), silent
    )
    assert (manifest["data_format"], manifest["keys_by_db"]) == ("json", original["keys_by_db"])
    assert manifest["functions"] == original["functions"]
    wipe(source)
    assert bring_back(source, storage)["restored"] == original["keys"]
    assert_same(source, before)


def test_a_real_servers_own_dump_is_taken_in_and_restored(source: Server, storage: Path) -> None:
    before = state(fill_all(source))
    source.client().save()
    manifest = adopt(settings_for(source, storage), AdoptArguments(file=source.folder / "dump.rdb"), silent)
    saved_at = source.client().lastsave().astimezone()
    assert abs(catalogue.get(Folder(storage), "latest", ANYWHERE).age_seconds(saved_at)) < 5
    wipe(source)
    bring_back(source, storage, manifest["name"])
    assert_same(source, before)


def test_what_was_adopted_is_pinned_and_survives_every_prune(source: Server, storage: Path) -> None:
    settings = settings_for(source, storage)
    names = []
    for name in rdb.NAMES[:3]:
        path = storage.parent / f"{name}.rdb"
        path.write_bytes(rdb.data(name))
        names.append(adopt(settings, AdoptArguments(file=path), silent)["name"])
    source.client().set("k", "v")
    taken = [take(source, storage)["name"] for _ in range(3)]
    result = prune(settings, PruneArguments(keep=1), silent)
    assert [one["name"] for one in result["deleted"]] == taken[1::-1]
    listed = [manifest.name for manifest in catalogue.read(Folder(storage)).backups]
    assert sorted(listed) == sorted([*names, taken[2]])


def test_two_files_of_one_moment_are_both_taken_in(settings: Settings, storage: Path, tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(DUMP)
    assert (
        adopt(settings, AdoptArguments(file=path), silent)["name"]
        != adopt(settings, AdoptArguments(file=path), silent)["name"]
    )
    assert len(catalogue.read(Folder(storage)).backups) == 2


DOCUMENT = b"".join(portable.write(Given(ENTRIES, rdb_version=9), {}))
UNKNOWN = DUMP[:9] + b"\xfe\x00\xc8\x01k" + bytes(50) + b"\xff" + bytes(8)
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "one byte": (b"R", "neither"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(200), "neither"),
    "an AOF": (b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", "neither"),
    "another JSON": (b'{"keys": []}\n', "JSON"),
    "a type to come": (UNKNOWN, "RDB type 200, which this program does not know"),
    "rdb and more": (DUMP + b"\x00", "1 byte follows its end"),
    "json and more": (DOCUMENT + b"x", "follows the end"),
    "gzip and more": (squeezed("gzip", DUMP) + b"x", "."),
    "zstd and more": (squeezed("zstd", DUMP) + b"x", "."),
    "gzip of nothing": (squeezed("gzip", b""), "."),
    "zstd of nothing": (squeezed("zstd", b""), "."),
    "gzip of a picture": (squeezed("gzip", b"\x89PNG\r\n\x1a\n" + bytes(200)), "neither"),
    "gzip of gzip": (squeezed("gzip", squeezed("gzip", DUMP)), "neither"),
    "a header alone": (b"REDIS0009", "cut short"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_backup_is_refused_and_leaves_nothing(
    content: bytes, words: str, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=words) as caught:
        adopt(settings, AdoptArguments(file=path), silent)
    assert str(caught.value).endswith(".")
    assert files(storage) == []
    assert path.read_bytes() == content


WHOLE: dict[str, bytes] = {
    "rdb": DUMP,
    "json": DOCUMENT,
    "rdb.gz": squeezed("gzip", DUMP),
    "json.zst": squeezed("zstd", DOCUMENT),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_file_cut_anywhere_is_refused_and_leaves_nothing(
    content: bytes, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut"
    for end in range(0, len(content), 3):
        path.write_bytes(content[:end])
        with pytest.raises(ArtifactError):
            adopt(settings, AdoptArguments(file=path), silent)
        assert files(storage) == []


@pytest.mark.parametrize("name", ["rdb", "rdb.gz", "json.zst"])
def test_a_flipped_file_is_refused_or_means_the_same(
    name: str, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "flipped"
    for place in range(0, len(WHOLE[name]), 5):
        data = bytearray(WHOLE[name])
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            manifest = adopt(settings, AdoptArguments(file=path), silent)
        except ArtifactError:
            assert files(storage) == []
            continue
        # In the header of gzip and zstd, and where a byte is filled up, there are bits that nothing depends on.
        assert name != "rdb"
        stored_chunks = iter([(storage / manifest["name"]).read_bytes()])
        held = b"".join(COMPRESSIONS[manifest["compression"]].decompress(stored_chunks))
        assert held == (DUMP if name == "rdb.gz" else DOCUMENT)
        shutil.rmtree(storage)


def test_a_file_that_is_not_there_or_is_a_folder_is_said(settings: Settings, storage: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        adopt(settings, AdoptArguments(file=tmp_path / "missing.rdb"), silent)
    with pytest.raises(ArtifactError, match="cannot be read"):
        adopt(settings, AdoptArguments(file=tmp_path), silent)
    assert files(storage) == []


def zeros(gigabytes: float) -> Iterator[bytes]:
    return iter([bytes(1 << 20)] * int(gigabytes * 1024))


def quote(gigabytes: float) -> Iterator[bytes]:
    """A document with one key that does not end."""
    yield DOCUMENT.partition(b"\n")[0] + b'\n{"db":0,"key":"'
    yield from [b"x" * (1 << 20)] * int(gigabytes * 1024)


def one_string(gigabytes: float) -> Iterator[bytes]:
    """An RDB file with one key of so many bytes, which ends there."""
    yield DUMP[:9] + b"\xfe\x00\x00\x01k\x81" + int(gigabytes * (1 << 30)).to_bytes(8, "big")
    yield from zeros(gigabytes)


def one_key(gigabytes: float) -> Iterator[bytes]:
    """An RDB file whose only key has a name of so many bytes."""
    yield DUMP[:9] + b"\xfe\x00\x00\x81" + int(gigabytes * (1 << 30)).to_bytes(8, "big")
    yield from zeros(gigabytes)


# Also of a file that may become large, what is held whole is bounded by what a server can hold: a key of 512 MB, and a line
# of 1 GiB in the portable format.
BOMBS = [
    pytest.param("zstd", zeros, 100 << 20, id="zeros of zstd"),
    pytest.param("gzip", zeros, 100 << 20, id="zeros of gzip"),
    pytest.param("zstd", one_string, 100 << 20, id="one string"),
    pytest.param("zstd", one_key, 1536 << 20, id="one key", marks=pytest.mark.slow),
    pytest.param("zstd", quote, 1536 << 20, id="a line without end", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("compression", "bomb", "bound"), BOMBS)
def test_a_bomb_is_refused_within_bounded_memory_and_leaves_nothing(
    compression: CompressionName,
    bomb: Callable[[float], Iterator[bytes]],
    bound: int,
    settings: Settings,
    tmp_path: Path,
) -> None:
    path, said = tmp_path / "bomb", tmp_path / "said"
    with path.open("wb") as file:
        file.writelines(COMPRESSIONS[compression].compress(bomb(1.1)))
    assert path.stat().st_size < 10 << 20

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            adopt(settings, AdoptArguments(file=path, max_size=2 << 30), silent)
        except ArtifactError as error:
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            said.write_text(json.dumps([str(error), grown * 1024]))

    assert not killed(work)
    words, grown = json.loads(said.read_text())
    assert words
    assert grown < bound
    assert files(tmp_path / "storage") == []

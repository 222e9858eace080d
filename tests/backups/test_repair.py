"""`list --repair`: a damaged manifest made anew, from its own digest or from the artifact, and nothing else touched."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import bring_back, files, format_1, manifest_of, settings_for, take, wipe
from tests.support.given import stored, string
from tests.support.payloads import strings
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments, PruneArguments, VerifyArguments
from worker.arguments.restore import UndoArguments
from worker.backups.adopt import adopt
from worker.backups.prune import prune
from worker.backups.repair import check_complete, mended, repair
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import ArtifactError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.repository import catalogue, digest
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, to_json
from worker.repository.notes import NOTES_SUFFIX
from worker.restore.undo.undo import undo
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
ASIDE = MANIFEST_SUFFIX + ".damaged"


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    server = start_server(newest)
    client = server.client()
    client.mset({f"key:{number}": f"value {number}" for number in range(20)})
    client.hset("hash", mapping={"field": "value"})
    client.zadd("scores", {"one": 1.5})
    client.set("short", "lived", px=10**9)
    server.client(3).rpush("list", "a", "b")
    return server


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")


def flipped(text: bytes, bit: int) -> bytes:
    changed = bytearray(text)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def damage(storage: Folder, name: str, *, bits: int = 2) -> bytes:
    """Flip some bits of its manifest; what it was before."""
    path = storage.path / (name + MANIFEST_SUFFIX)
    good = changed = path.read_bytes()
    for bit in random.Random(bits).sample(range(len(good) * 8), bits):  # noqa: S311 - the same each time
        changed = flipped(changed, bit)
    path.write_bytes(changed)
    assert [one.name for one in catalogue.read(storage).damaged] == [name]
    return good


def repaired(storage: Folder) -> dict[str, Any]:
    report = repair(Settings(backup_storage=str(storage.path)), silent)
    check_complete(report)
    (one,) = report["repaired"]
    assert catalogue.read(storage).damaged == []
    return dict(one)


def of_kind(kind: str, server: Server, storage: Folder) -> Manifest:
    """A backup of that kind; nothing else is in storage but what it needs."""
    folder = storage.path
    if kind == "undo":
        take(server, folder)
        server.client().set("key:1", "changed since")
        name = bring_back(server, folder, mode="overwrite")["undo"]["name"]
    elif kind == "adopted":
        made = take(server, folder / "elsewhere", compression="none")
        settings = settings_for(server, folder)
        name = adopt(settings, AdoptArguments(file=folder / "elsewhere" / made["name"]), silent)["name"]
    else:
        name = take(server, folder, **OPTIONS[kind])["name"]
    return catalogue.get(storage, name)


OPTIONS: dict[str, dict[str, str]] = {
    "rdb, zstd": {},
    "rdb, gzip": {"compression": "gzip", "engine": "scan"},
    "rdb, plain": {"compression": "none"},
    "json": {"format": "json"},
    "json, plain": {"format": "json", "compression": "none", "engine": "typed"},
}
KINDS = [*OPTIONS, "undo", "adopted"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_bit_that_flipped_is_put_right_exactly(kind: str, small: Server, storage: Folder) -> None:
    name = of_kind(kind, small, storage).name
    path = storage.path / (name + MANIFEST_SUFFIX)
    good = path.read_bytes()
    for number, bit in enumerate(random.Random(5).sample(range(len(good) * 8), 3)):  # noqa: S311 - the same each time
        path.write_bytes(flipped(good, bit))
        told = repaired(storage)
        assert (told["exactly"], path.read_bytes()) == (True, good)
        assert (storage.path / told["aside"]).read_bytes() == flipped(good, bit)
        assert told["aside"].endswith(ASIDE if number == 0 else f"{ASIDE}.{number + 1}")


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_artifact_tells_makes_a_backup_that_restores_to_the_same(
    kind: str, small: Server, start_server: StartServer, newest: Binary, storage: Folder
) -> None:
    before, target = of_kind(kind, small, storage), start_server(newest)
    settings, other = settings_for(small, storage.path), settings_for(target, storage.path)
    verify(settings, VerifyArguments(name=before.name), silent)
    bring_back(target, storage.path, before.name)
    held = state(target)
    wipe(target)
    text = damage(storage, before.name)
    told = repaired(storage)
    after = catalogue.get(storage, before.name)
    assert (told["exactly"], told["kind"]) == (False, "undo" if kind == "undo" else "adopted")
    assert (storage.path / told["aside"]).read_bytes() != text
    same = (
        "keys",
        "keys_by_db",
        "expiring",
        "functions",
        "bytes",
        "sha256",
        "data_format",
        "compression",
        "rdb_version",
    )
    assert [getattr(after, one) for one in same] == [getattr(before, one) for one in same]
    assert abs((after.created_at - before.created_at).total_seconds()) < 2
    assert (after.pinned, after.verified_at) == (kind != "undo", None)
    assert "Its manifest was damaged, and was made anew on 20" in after.warnings[0]
    no_checksum = any("has no checksum" in one for one in after.warnings)
    assert no_checksum == (kind == "json, plain")
    verify(settings, VerifyArguments(name=before.name), silent)
    report = bring_back(target, storage.path, before.name)
    assert report["failed"] == 0
    assert_same(target, held)
    assert prune(other, PruneArguments(keep=1), silent)["deleted"] == []


def test_an_undo_that_was_rebuilt_can_undo(small: Server, storage: Folder) -> None:
    take(small, storage.path)
    small.client().set("key:1", "changed since")
    small.client().delete("hash")
    before = state(small)
    name = bring_back(small, storage.path, mode="overwrite")["undo"]["name"]
    told = catalogue.get(storage, name)
    damage(storage, name)
    assert repaired(storage)["kind"] == "undo"
    after = catalogue.get(storage, name)
    said = ("source", "undoes", "restored", "restored_at", "restore_arguments", "kind")
    assert [getattr(after, one) for one in said] == [getattr(told, one) for one in said]
    undo(settings_for(small, storage.path), UndoArguments(run=name), silent)
    assert_same(small, before)


def test_a_json_document_tells_where_it_came_from(small: Server, storage: Folder) -> None:
    before = of_kind("json", small, storage)
    damage(storage, before.name)
    repaired(storage)
    after = catalogue.get(storage, before.name)
    assert [*after.source][:4] == [*before.source][:4]
    assert after.source.address == before.source.address is not None


def names_only(small: Server, storage: Folder) -> str:
    """An undo that holds names and no values."""
    take(small, storage.path)
    small.client().delete("key:1")
    name = str(bring_back(small, storage.path, mode="skip")["undo"]["name"])
    assert catalogue.get(storage, name).names_only
    return name


def test_names_without_values_stay_an_undo_and_no_file_to_adopt(small: Server, storage: Folder, tmp_path: Path) -> None:
    name = names_only(small, storage)
    damage(storage, name)
    repaired(storage)
    assert catalogue.get(storage, name).names_only
    undo(settings_for(small, storage.path), UndoArguments(run=name), silent)
    assert small.client().exists("key:1") == 0
    file = AdoptArguments(file=storage.path / name)
    with pytest.raises(ArtifactError, match="holds names and no values"):
        adopt(settings_for(small, tmp_path / "other"), file, silent)


def test_names_without_values_of_an_older_version_become_no_backup(storage: Folder, tmp_path: Path) -> None:
    manifest = stored(
        storage.path, [Entry(0, b"a", None, "string", string(b"")), Entry(0, b"b", None, "string", string(b""))]
    )
    damage(storage, manifest.name)
    report = repair(Settings(backup_storage=str(storage.path)), silent)
    assert (report["repaired"], [one["name"] for one in report["left"]]) == ([], [manifest.name])
    with pytest.raises(ArtifactError, match=r"1 could not be repaired.*holds names and no values"):
        check_complete(report)
    storage = Folder(tmp_path / "others")
    mixed = [Entry(0, b"a", None, "string", string(b"")), Entry(0, b"l", None, "list", b"\x01" + strings(b"a"))]
    name = stored(storage.path, mixed).name
    damage(storage, name)
    assert repaired(storage)["keys"] == 2


def test_a_manifest_of_format_1_is_made_anew_and_signed(small: Server, storage: Folder) -> None:
    before = of_kind("rdb, zstd", small, storage)
    storage.put(before.name + MANIFEST_SUFFIX, format_1(before).replace(b'"keys"', b'"kezs"'), replace=True)
    assert repaired(storage)["keys"] == before.keys
    assert catalogue.get(storage, before.name).format == 4


BROKEN_ARTIFACTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "cut"),
    "changed": (lambda path: path.write_bytes(flipped(path.read_bytes(), 1000)), "damaged|checksum"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "of another kind": (lambda path: path.write_bytes(b'{"no": "backup"}\n'), "Line 1"),
}


@pytest.mark.parametrize(("broken", "words"), BROKEN_ARTIFACTS.values(), ids=BROKEN_ARTIFACTS)
def test_a_backup_whose_artifact_is_broken_too_stays_damaged(
    broken: Callable[[Path], object], words: str, small: Server, storage: Folder
) -> None:
    other = of_kind("json", small, storage).name
    name = of_kind("rdb, zstd", small, storage).name
    damage(storage, name)
    broken(storage.path / name)
    before = {path: (storage.path / path).read_bytes() for path in files(storage.path)}
    report = repair(Settings(backup_storage=str(storage.path)), silent)
    assert report["repaired"] == []
    with pytest.raises(ArtifactError, match=words):
        check_complete(report)
    assert {path: (storage.path / path).read_bytes() for path in files(storage.path)} == before
    assert [one.name for one in catalogue.read(storage).backups] == [other]


def test_good_manifests_and_those_of_a_later_version_are_never_touched(storage: Folder) -> None:
    names = [f"redis_backup_2023120{day}_143022.rdb" for day in range(1, 5)]
    for name in names:
        storage.put(name, b"content")
        catalogue.add(storage, manifest_of(name, b"content"))
    later = (digest.opened(to_json(manifest_of(names[0]))) or b"").decode().replace('"format": 2', '"format": 5')
    storage.put(names[0] + MANIFEST_SUFFIX, digest.sealed(later), replace=True)
    rewrite_as = to_json(manifest_of(names[1], b"content"))
    (storage.path / (names[2] + MANIFEST_SUFFIX)).write_bytes(rewrite_as)
    before = {path: (storage.path / path).read_bytes() for path in files(storage.path)}
    assert repair(Settings(backup_storage=str(storage.path)), silent) == {"repaired": [], "left": []}
    assert {path: (storage.path / path).read_bytes() for path in files(storage.path)} == before


def test_a_manifest_that_somebody_else_mends_meanwhile_is_left_to_them(small: Server, storage: Folder) -> None:
    name = of_kind("rdb, plain", small, storage).name
    good = damage(storage, name)

    def meanwhile(phase: str, current: int, total: int | None, unit: str) -> None:
        (storage.path / (name + MANIFEST_SUFFIX)).write_bytes(good)

    report = repair(Settings(backup_storage=str(storage.path)), meanwhile)
    assert "changed by somebody else meanwhile" in report["left"][0]["error"]
    assert (storage.path / (name + MANIFEST_SUFFIX)).read_bytes() == good


def test_after_three_times_somebody_is_to_look_at_the_disk(storage: Folder) -> None:
    storage.put(NAME, b"content")
    catalogue.add(storage, manifest_of(NAME, b"content"))
    for _ in range(3):
        damage(storage, NAME, bits=1)
        assert repaired(storage)["exactly"]
    damage(storage, NAME, bits=1)
    report = repair(Settings(backup_storage=str(storage.path)), silent)
    assert "look at the disk" in report["left"][0]["error"]
    catalogue.remove(storage, NAME)
    assert files(storage.path) == []


@pytest.mark.parametrize(("noted", "reason"), [(True, "before the migration"), (False, "its manifest was made anew")])
def test_a_pin_outlives_the_repair_and_so_does_none(noted: bool, reason: str, small: Server, storage: Folder) -> None:
    name = of_kind("rdb, zstd", small, storage).name
    catalogue.note(storage, name, pinned=noted, pin_reason="before the migration")
    verify(settings_for(small, storage.path), VerifyArguments(name=name), silent)
    damage(storage, name)
    repaired(storage)
    after = catalogue.get(storage, name)
    assert (after.pinned, after.pin_reason, after.verified_at) == (True, reason, None)
    assert name + NOTES_SUFFIX in files(storage.path)


def test_more_than_a_bit_is_not_guessed() -> None:
    text = to_json(manifest_of(NAME))
    assert mended(NAME, flipped(flipped(text, 900), 2000)) is None
    assert mended(NAME, text[:-5]) is None
    assert mended(NAME, b"") is None
    assert mended(NAME, flipped(text, 900)) == text


def test_the_shell_asks_before_it_repairs_and_says_what_it_did(small: Server, storage: Folder, tmp_path: Path) -> None:
    name = of_kind("rdb, zstd", small, storage).name
    shell = Shell(small.url, storage.path, tmp_path)
    assert shell("list", "--repair").out == "No manifest is damaged.\n"
    damage(storage, name)
    before = files(storage.path)
    listed = shell("list")
    assert f"The manifest of {name} is damaged: `python -m worker list --repair` makes it anew" in listed.err
    refused = shell("list", "--repair")
    assert (refused.code, "Nobody answered, so nothing was changed" in refused.err) == (1, True)
    assert files(storage.path) == before
    done = shell("list", "--repair", "--yes")
    assert (done.code, done.out) == (
        0,
        f"repaired: {name} (from its artifact, as adopted, and signed now, 24 keys); its text was kept as {name}{ASIDE}\n",
    )
    assert name in shell("list").out
    damage(storage, name)
    (storage.path / name).write_bytes(b"")
    failed = shell("list", "--repair", "--yes", "--json")
    assert (failed.code, '"left"' in failed.out) == (1, True)
    assert "1 could not be repaired" in failed.err

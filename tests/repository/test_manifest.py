"""A manifest is what was written, to the bit, or it is called damaged: by the list, a verification and a restore alike."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.sweeps import sweep
from tests.support.backups import ANYWHERE, bring_back, files, format_1, manifest_of, rewrite, settings_for, take
from tests.support.given import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments, PruneArguments, VerifyArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.adopt import adopt
from worker.backups.export import export
from worker.backups.prune import prune
from worker.backups.verify import verify
from worker.config.settings import Settings, load
from worker.errors import ArtifactError, DamagedError, NotFoundError
from worker.progress import silent
from worker.repository import catalogue, digest
from worker.repository.manifest import CLOCKS_APART, MANIFEST_SUFFIX, NAMES_TRIED, Manifest, Origin, from_json, to_json
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.signing.journal import shelf
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.search.search import search
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
FLIPS = 500


def _undo(server: Server, folder: Path) -> str:
    take(server, folder)
    return str(bring_back(server, folder, mode="overwrite")["undo"]["name"])


def _adopted(server: Server, folder: Path) -> str:
    made = take(server, folder / "elsewhere", compression="none")
    (folder / "dump.rdb").write_bytes((folder / "elsewhere" / made["name"]).read_bytes())
    return str(adopt(settings_for(server, folder), AdoptArguments(file=folder / "dump.rdb"), silent)["name"])


KINDS: dict[str, Callable[[Server, Path], str]] = {
    "replication": lambda server, folder: str(take(server, folder, engine="replication")["name"]),
    "scan, gzip": lambda server, folder: str(take(server, folder, engine="scan", compression="gzip")["name"]),
    "typed, json": lambda server, folder: str(take(server, folder, engine="typed", format="json")["name"]),
    "undo": _undo,
    "adopted": _adopted,
}


def flipped(text: bytes, bit: int) -> bytes:
    changed = bytearray(text)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    source = start_server(newest)
    source.client().mset({f"key:{number}": "value" for number in range(20)})
    return source


@sweep("kind", KINDS, quick=2)
def test_every_bit_that_flips_is_noticed_by_list_verify_and_restore_alike(
    kind: str, small: Server, tmp_path: Path
) -> None:
    name, settings = KINDS[kind](small, tmp_path), settings_for(small, tmp_path)
    path = tmp_path / (name + MANIFEST_SUFFIX)
    good = path.read_bytes()
    readers: list[Callable[[], object]] = [
        lambda: verify(settings, VerifyArguments(name=name), silent),
        lambda: restore(settings, RestoreArguments(name=name), silent),
        lambda: preview(settings, PreviewArguments(name=name), silent),
        lambda: export(settings, name, tmp_path / "copy.json", silent),
        lambda: search(settings, SearchArguments(key="key:1", names=(name,), live=False), silent),
    ]
    bits, before = random.Random(13).sample(range(len(good) * 8), FLIPS), state(small)  # noqa: S311 - the same each time
    for number, bit in enumerate(bits):
        path.write_bytes(flipped(good, bit))
        found = catalogue.read(Folder(tmp_path))
        assert name not in [one.name for one in (*found.backups, *found.undos)], bit
        assert any(name in problem for problem in found.problems), bit
        # Restore, preview and the others ask before they connect, as verify does.
        for reader in readers if number % 10 == 0 else readers[:2]:
            with pytest.raises(ArtifactError):
                reader()
    assert_same(small, before)
    path.write_bytes(good)
    for reader in readers:
        reader()


def test_every_single_bit_of_a_manifest_counts() -> None:
    manifest = manifest_of(NAME, b"content")
    text = to_json(manifest)
    for bit in range(len(text) * 8):
        with pytest.raises(ArtifactError):
            from_json(NAME, flipped(text, bit))
    assert from_json(NAME, text) == manifest


def test_a_restore_whose_undo_is_damaged_cannot_be_undone_by_guesses(small: Server, tmp_path: Path) -> None:
    name, settings = _undo(small, tmp_path), settings_for(small, tmp_path)
    path = tmp_path / (name + MANIFEST_SUFFIX)
    path.write_bytes(flipped(path.read_bytes(), 1000))
    with pytest.raises(NotFoundError):
        undo(settings, UndoArguments(run=name), silent)


def test_what_a_sentence_of_the_document_says_checks_the_digest(folder: Folder) -> None:
    folder.put(NAME, b"content")
    catalogue.add(folder, manifest_of(NAME, b"content"))
    path = folder.path / (NAME + MANIFEST_SUFFIX)
    said = json.loads(path.read_bytes())["digest"]
    told = subprocess.run(f"head -n -2 {path} | sha256sum", shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert told.stdout.split()[0] == said
    whole = path.read_bytes()
    assert hashlib.sha256(whole[: whole.rindex(b'  "digest"')]).hexdigest() == said


def test_blanks_and_order_that_mean_the_same_are_not_what_was_written(folder: Folder) -> None:
    text = to_json(manifest_of(NAME))
    for same in (json.dumps(json.loads(text)).encode(), text + b"\n", text.rstrip(), text.replace(b"\n", b"\r\n")):
        with pytest.raises(DamagedError):
            from_json(NAME, same)
    without = digest.opened(text)
    assert without is not None
    with pytest.raises(DamagedError):
        from_json(NAME, without)


# Of a manifest of format 1 what can be told is told.


def test_a_manifest_of_format_1_is_read_with_all_that_was_noted_in_it() -> None:
    manifest = manifest_of(NAME, b"content", pinned=True)
    noted = manifest.model_copy(update={"verified_at": manifest.created_at + timedelta(days=1)})
    read = from_json(NAME, format_1(noted))
    assert read == noted.model_copy(update={"format": 1})


def is_taken(read: Callable[[], object]) -> bool:
    try:
        read()
    except ArtifactError:
        return False
    return True


def test_what_a_manifest_of_format_1_says_is_counted_after_by_verify_and_restore_alike(
    small: Server, tmp_path: Path
) -> None:
    small.client().pexpire("key:1", 10**9)
    made, settings = take(small, tmp_path, engine="scan", compression="none"), settings_for(small, tmp_path)
    path = tmp_path / (made["name"] + MANIFEST_SUFFIX)
    good = format_1(catalogue.get(Folder(tmp_path), made["name"]))
    path.write_bytes(good)
    # A machine that had not signed it.
    shelf(load(), Folder(tmp_path)).path.unlink()
    assert verify(settings, VerifyArguments(name="latest"), silent)["keys"] == 20
    (tmp_path / (made["name"] + NOTES_SUFFIX)).unlink()
    noticed = 0
    bits = random.Random(7).sample(range(len(good) * 8), FLIPS)  # noqa: S311 - the same each time
    for bit in bits:
        path.write_bytes(flipped(good, bit))
        verified = is_taken(lambda: verify(settings, VerifyArguments(name=made["name"]), silent))
        exported = is_taken(lambda: export(settings, made["name"], tmp_path / "copy.json", silent))
        assert verified == exported, flipped(good, bit)
        noticed += not verified
        (tmp_path / "copy.json").unlink(missing_ok=True)
        (tmp_path / (made["name"] + NOTES_SUFFIX)).unlink(missing_ok=True)
    # The rest are words that nothing in the file is held against: the source's address, the server's version, reasons.
    assert noticed > FLIPS // 2


LIES_OF_FORMAT_1 = {
    "another format": {"data_format": "json"},
    "another compression": {"compression": "gzip"},
    "another number of keys": {"keys": 2},
    "a type that there is not": {"keys_by_db": {0: {"strilg": 1}}},
    "more that expire than there are": {"expiring": 3},
    "no version": {"rdb_version": None},
    "an undo of nothing": {"kind": "undo"},
}


@pytest.mark.parametrize("lie", LIES_OF_FORMAT_1.values(), ids=LIES_OF_FORMAT_1)
def test_a_manifest_of_format_1_that_contradicts_itself_is_damaged(lie: dict[str, object]) -> None:
    manifest = manifest_of(NAME, b"content")
    with pytest.raises(DamagedError):
        from_json(NAME, format_1(manifest.model_copy(update=lie)))


# The moment.


@pytest.mark.parametrize("written", [to_json, format_1])
@pytest.mark.parametrize(
    ("later", "good"), [(0, True), (-0.5, True), (NAMES_TRIED - 1, True), (NAMES_TRIED, False), (-1, False)]
)
def test_a_name_is_of_the_second_of_its_backup_or_a_little_later(
    later: float, good: bool, written: Callable[[Manifest], bytes]
) -> None:
    named = manifest_of(NAME)
    text = written(named.model_copy(update={"created_at": named.created_at - timedelta(seconds=later)}))
    if good:
        from_json(NAME, text)
    else:
        with pytest.raises(DamagedError):
            from_json(NAME, text)


def test_a_name_that_is_no_moment_is_of_no_backup(folder: Folder) -> None:
    name = "redis_backup_20231399_143022.rdb"
    folder.put(name, b"content")
    catalogue.add(folder, manifest_of(NAME, b"content").model_copy(update={"name": name}))
    found = catalogue.read(folder)
    assert (found.backups, len(found.problems)) == ([], 1)
    assert prune(Settings(backup_storage=str(folder.path)), PruneArguments(), silent)["swept"] == []


# What a damaged one does to others, and others to it.


def kept_by(folder: Folder, keep: int) -> dict[str, list[str]]:
    told = prune(Settings(backup_storage=str(folder.path)), PruneArguments(keep=keep), silent)
    return {what: [one["name"] for one in told[what]] for what in ("kept", "deleted")}


def test_a_damaged_one_is_never_pruned_and_pushes_nothing_out(folder: Folder) -> None:
    names = [f"redis_backup_2023120{day}_143022.rdb" for day in range(1, 6)]
    for name in names:
        folder.put(name, b"content")
        catalogue.add(folder, manifest_of(name, b"content"))
    for name in (names[0], names[4]):
        path = folder.path / (name + MANIFEST_SUFFIX)
        path.write_bytes(path.read_bytes().replace(b"T14:", b"T15:"))
    assert [one.name for one in catalogue.read(folder).damaged] == [names[0], names[4]]
    assert kept_by(folder, 2) == {"kept": [names[3], names[2]], "deleted": [names[1]]}
    left = files(folder.path)
    assert all(name in left and name + MANIFEST_SUFFIX in left for name in (names[0], *names[2:]))


def test_a_sweep_leaves_the_artifact_of_a_damaged_manifest_alone(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"content")
        draft.publish()
        folder.put(NAME + MANIFEST_SUFFIX, b"{")
        shutil.copyfile("/dev/null", folder.path / "dump.rdb")
        # What a run leaves that is killed right after its manifest was shown: one file under two names.
        (folder.path / f".{NAME}.left").hardlink_to(folder.path / NAME)
    (folder.path / f".{NAME}.left").rename(folder.path / f".{NAME}.partial")
    told = prune(Settings(backup_storage=str(folder.path)), PruneArguments(), silent)
    assert told["swept"] == [f".{NAME}.partial"]
    assert folder.read(NAME) == b"content"


# Notes.


def noted(folder: Folder) -> Path:
    folder.put(NAME, b"content")
    catalogue.add(folder, manifest_of(NAME, b"content"))
    catalogue.note(folder, NAME, pinned=True, pin_reason="before the migration")
    return folder.path / (NAME + NOTES_SUFFIX)


def test_what_is_noted_is_added_to_what_was(folder: Folder) -> None:
    noted(folder)
    at = manifest_of(NAME).created_at + timedelta(days=1)
    catalogue.note(folder, NAME, verified_at=at)
    found = catalogue.get(folder, NAME, ANYWHERE)
    assert (found.pinned, found.pin_reason, found.verified_at) == (True, "before the migration", at)
    catalogue.note(folder, NAME, pinned=False)
    found = catalogue.get(folder, NAME, ANYWHERE)
    assert (found.pinned, found.pin_reason, found.verified_at) == (False, "", at)
    assert catalogue.read(folder).backups == [found]


def test_notes_that_are_damaged_lose_no_pin_and_that_is_said(folder: Folder) -> None:
    path = noted(folder)
    good = path.read_bytes()
    for bit in range(0, len(good) * 8, 7):
        path.write_bytes(flipped(good, bit))
        found = catalogue.read(folder)
        assert [(one.pinned, one.pin_reason) for one in found.backups] == [(True, "its notes are damaged")], bit
        assert found.warnings == [
            f"The notes of {NAME} are damaged, so it counts as pinned: pin or unpin it, and they are written anew."
        ]
        assert found.problems == []
    catalogue.note(folder, NAME, verified_at=manifest_of(NAME).created_at)
    found = catalogue.read(folder)
    assert [one.pinned for one in found.backups] == [True]
    catalogue.note(folder, NAME, pinned=False)
    assert (catalogue.get(folder, NAME).pinned, catalogue.read(folder).warnings) == (False, [])


def test_notes_of_another_backup_are_damaged_ones(folder: Folder) -> None:
    path, other = noted(folder), "redis_backup_20231206_143022.rdb"
    folder.put(other, b"content")
    catalogue.add(folder, manifest_of(other, b"content"))
    (folder.path / (other + NOTES_SUFFIX)).write_bytes(path.read_bytes())
    assert catalogue.get(folder, other).pin_reason == "its notes are damaged"


def test_notes_go_with_their_backup_and_nobody_notes_what_is_gone(folder: Folder) -> None:
    noted(folder)
    catalogue.remove(folder, NAME)
    assert files(folder.path) == []
    with pytest.raises(NotFoundError):
        catalogue.note(folder, NAME, pinned=True)
    assert files(folder.path) == []


def test_notes_whose_backup_is_gone_are_swept(folder: Folder) -> None:
    path = noted(folder)
    text = path.read_bytes()
    catalogue.remove(folder, NAME)
    path.write_bytes(text)
    assert prune(Settings(backup_storage=str(folder.path)), PruneArguments(), silent)["swept"] == [path.name]
    assert files(folder.path) == []


_NOTING = """
import sys
from pathlib import Path
from worker.repository import catalogue
from worker.storage.local import Folder
for number in range(40):
    catalogue.note(Folder(Path(sys.argv[1])), sys.argv[2], **{sys.argv[3]: sys.argv[4]})
"""


def test_two_who_note_at_once_lose_neither_word(folder: Folder) -> None:
    noted(folder)
    moment = manifest_of(NAME).created_at
    words = (("pin_reason", "by one of them"), ("verified_at", moment.isoformat()), ("undone_at", moment.isoformat()))
    others = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", _NOTING, str(folder.path), NAME, *said])
        for said in words
    ]
    assert [other.wait(60) for other in others] == [0, 0, 0]
    found = catalogue.get(folder, NAME)
    assert (found.pin_reason, found.verified_at, found.undone_at) == ("by one of them", moment, moment)


def test_what_is_noted_of_a_backup_of_format_1_lies_beside_it(folder: Folder) -> None:
    manifest = manifest_of(NAME, b"content", pinned=True).model_copy(update={"source": Origin(address="a:1")})
    folder.put(NAME, b"content")
    folder.put(NAME + MANIFEST_SUFFIX, format_1(manifest))
    catalogue.note(folder, NAME, verified_at=manifest.created_at)
    found = catalogue.get(folder, NAME)
    assert (found.pinned, found.verified_at, found.source.address) == (True, manifest.created_at, "a:1")
    assert folder.read(NAME + MANIFEST_SUFFIX) == format_1(manifest)
    rewrite(folder, found)
    assert from_json(NAME, folder.read(NAME + MANIFEST_SUFFIX)).format == 2


def test_a_string_of_any_kind_is_sealed(folder: Folder) -> None:
    manifest = manifest_of(NAME).model_copy(
        update={"warnings": ['\u2028\n}\x7f"digest": \U0001f511', string(b"").decode()]}
    )
    assert from_json(NAME, to_json(manifest)) == manifest


def test_it_is_dated_in_the_future_only_beyond_what_clocks_may_differ_by() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    apart = [CLOCKS_APART - timedelta(seconds=1), CLOCKS_APART, CLOCKS_APART + timedelta(seconds=1)]
    ahead = [manifest_of(NAME, created_at=now + by).is_ahead(now) for by in apart]
    assert ahead == [False, False, True]

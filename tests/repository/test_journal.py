"""What a machine has signed, number by number; and what is missing or put back by that, told from these records alone."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.backups import manifest_of
from worker.config.settings import Settings
from worker.errors import StorageError
from worker.repository.manifest import Manifest
from worker.repository.signing import journal, keys, ledger
from worker.repository.signing.chain import Records, amiss
from worker.repository.signing.journal import Entry, Journal, Shelf, begun, change
from worker.repository.signing.keys import Signer
from worker.repository.signing.ledger import Ledger, is_ahead, ledger_of
from worker.storage.local import Folder

NAMES = [f"redis_backup_20231205_14302{second}.rdb" for second in range(6)]
A, B, C = (Entry(name=name, sha256=f"sum of {name}") for name in NAMES[:3])
BEGUN = Journal(storage="here", signer="ed25519:ours", chain="c0", since=datetime(2023, 1, 1, tzinfo=UTC), found=[])


def test_what_is_signed_is_numbered_and_on_its_way_until_it_has_arrived() -> None:
    one = BEGUN.next(A)
    assert (one.head, one.previous, one.coming, one.live, one.revision) == (1, A.sha256, {1: A}, {}, 1)
    two = one.arrived(1, A).next(B)
    assert (two.head, two.previous, two.coming, two.live) == (2, B.sha256, {2: B}, {1: A})
    assert two.revision > one.revision
    assert two.sums == {A.sha256, B.sha256}


def test_what_comes_by_a_name_takes_the_place_of_what_had_it() -> None:
    again = Entry(name=A.name, sha256="another sum")
    replaced = BEGUN.next(A).arrived(1, A).next(again).arrived(2, again)
    assert (replaced.live, replaced.coming, replaced.numbers(A.name)) == ({2: again}, {}, {2})


def test_what_is_deleted_is_going_and_then_gone() -> None:
    three = BEGUN.next(A).arrived(1, A).next(B).arrived(2, B).next(C)
    going = three.leaving({1, 3})
    assert (going.live, going.coming, going.going) == ({2: B}, {}, {1: A, 3: C})
    assert (going.numbers(A.name), going.numbers(C.name), going.sums) == ({1}, {3}, three.sums)
    more = going.leaving({2})
    assert more.going == {1: A, 2: B, 3: C}
    left = more.left({1, 3})
    assert (left.going, left.head, left.numbers(A.name)) == ({2: B}, 3, set())


def test_where_nothing_changes_nothing_is_written() -> None:
    one = BEGUN.next(A).arrived(1, A)
    assert one.leaving({7}) is one
    assert one.left(set()) is one
    assert one.settled({A.name}) is one
    assert one.settled(set()) is one


def test_who_looks_next_settles_what_a_killed_run_left_on_its_way() -> None:
    both = BEGUN.next(A).arrived(1, A).next(B).leaving({1})
    assert both.settled({A.name}) is both, "what is going may still lie there, and what is coming may still come"
    came = both.settled({A.name, B.name})
    assert (came.live, came.coming, came.going) == ({2: B}, {}, {1: A})
    gone = both.settled(set())
    assert (gone.live, gone.coming, gone.going) == ({}, {2: B}, {})


@pytest.mark.parametrize(("others", "waited_for"), [(100, True), (101, False)])
def test_one_that_never_came_is_waited_for_until_a_hundred_others_have(others: int, waited_for: bool) -> None:
    known = BEGUN.next(A)
    for number in range(2, others + 2):
        known = known.next(B).arrived(number, B)
    assert bool(known.settled({B.name}).coming) is waited_for


@pytest.mark.parametrize(
    ("numbers", "rows"),
    [
        ([5], [(5, 5)]),
        ([1, 3], [(1, 1), (3, 3)]),
        ([1, 3, 2], [(1, 3)]),
        ([7, 6, 1], [(1, 1), (6, 7)]),
        ([1, 2, 3, 4, 2], [(1, 4)]),
        ([4, 1, 2, 8], [(1, 2), (4, 4), (8, 8)]),
    ],
    ids=str,
)
def test_what_others_numbered_and_we_delete_is_kept_in_rows(numbers: list[int], rows: list[tuple[int, int]]) -> None:
    known = BEGUN.deleted("other", 9)
    for number in numbers:
        known = known.deleted("theirs", number)
    assert known.elsewhere == {"other": [(9, 9)], "theirs": rows}
    assert known.revision == len(numbers) + 1


def test_another_key_trusts_whom_the_one_before_trusted_and_itself_is_none_of_them(tmp_path: Path) -> None:
    storage, ours = Folder(tmp_path), Signer("ed25519:new", None)
    first = begun(storage, ours, ["ed25519:x", "ed25519:new"], None)
    assert (first.found, first.signer, first.storage, first.head) == (["ed25519:x"], ours.public, storage.place, 0)
    before = BEGUN.model_copy(update={"found": ["ed25519:old"]})
    second = begun(storage, ours, ["ed25519:x"], before)
    assert (second.found, second.since) == (["ed25519:old", "ed25519:ours", "ed25519:x"], BEGUN.since)
    assert (len(second.chain), second.chain != first.chain) == (16, True)


# Where it is kept.


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "deep" / "state" / "journal.json")


def test_what_is_written_is_read_and_read_by_its_user_alone(shelf: Shelf) -> None:
    assert shelf.read() is None
    long = BEGUN.next(A).arrived(1, A).next(B)
    for kept in (long, BEGUN):
        assert shelf.swap(shelf.read(), kept)
        assert shelf.read() == kept
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in shelf.path.parent.iterdir()}
    assert modes == {"journal.json": 0o600, "journal.lock": 0o600}
    assert stat.S_IMODE(shelf.path.parent.stat().st_mode) == 0o700
    shelf.path.write_bytes(shelf.path.read_bytes().replace(b"here", b"else"))
    assert shelf.read() is None, "what was not written by us is none"


def test_a_change_is_written_where_there_is_one(shelf: Shelf) -> None:
    assert change(shelf, lambda now: now.next(A)) is None
    assert not shelf.path.exists()
    assert shelf.swap(None, BEGUN)
    assert not shelf.swap(None, BEGUN.next(A)), "somebody else was first"
    before = shelf.path.stat()
    assert change(shelf, lambda now: now) == BEGUN
    assert shelf.path.stat().st_ino == before.st_ino
    assert change(shelf, lambda now: now.next(A)) == BEGUN.next(A) == shelf.read()


def test_where_it_cannot_be_kept_is_said_and_who_only_looks_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = Settings(backup_state=str(tmp_path / "file"))
    place = journal.shelf(settings, Folder(tmp_path))
    with pytest.raises(StorageError, match="keeps what it has signed, cannot be used"):
        place.swap(None, BEGUN)
    with pytest.raises(StorageError, match="cannot be used"):
        place.read()
    assert journal.known(settings, Folder(tmp_path)) is None
    assert keys.own_public(settings) is None


# What is amiss by these records.


def signed(number: int | None, chain: str | None = "c0", signer: str | None = "ed25519:ours", at: int = 0) -> Manifest:
    return manifest_of(NAMES[at]).model_copy(update={"sequence": number, "chain": chain, "signer": signer})


def book(**more: object) -> Ledger:
    """Of another machine."""
    fields = {"signer": "ed25519:theirs", "chain": "c1", "storage": "here", "revision": 9, "head": 5}
    return Ledger.model_validate(fields | {"live": {}, "open": {}, "elsewhere": {}} | more)


THREE = BEGUN.next(A).arrived(1, A).next(B).arrived(2, B).next(C)
"""The third is on its way."""


def test_what_should_lie_there_and_does_not_is_missing_whoever_has_signed_it() -> None:
    theirs = book(live={4: NAMES[4]}, open={5: NAMES[5]})
    told = amiss({A.name: None}, Records(THREE, (theirs,)))
    assert sorted(told) == [B.name, NAMES[4]]
    assert told[B.name].startswith(f"{B.name} was stored here and is gone")
    assert amiss({A.name: None, B.name: None, NAMES[4]: None}, Records(THREE, (theirs,))) == {}
    assert amiss({}, Records(None, ())) == {}


@pytest.mark.parametrize(("row", "missing"), [((1, 1), True), ((1, 2), False), ((2, 4), False), ((3, 4), True)])
def test_what_another_machine_gave_up_is_not_missing(row: tuple[int, int], missing: bool) -> None:
    theirs = book(elsewhere={"c0": [(0, 0), row], "c9": [(1, 9)]})
    assert (B.name in amiss({A.name: None}, Records(THREE, (theirs,)))) is missing


@pytest.mark.parametrize(
    ("manifest", "back"),
    [
        (signed(4, "c1", "ed25519:theirs"), True),
        (signed(5, "c1", "ed25519:theirs"), True),
        (signed(6, "c1", "ed25519:theirs"), False),
        (signed(2, "c1", "ed25519:theirs"), False),
        (signed(3, "c1", "ed25519:theirs"), False),
        (signed(4, "c1", "ed25519:x"), False),
        (signed(4, "c2", "ed25519:theirs"), False),
        (signed(None, "c1", "ed25519:theirs"), False),
        (signed(None, None, None), False),
        (None, False),
    ],
    ids=[
        "given up",
        "the last",
        "later",
        "live",
        "open",
        "forged",
        "of another chain",
        "no number",
        "unsigned",
        "unread",
    ],
)
def test_what_was_given_up_and_lies_there_was_put_back(manifest: Manifest | None, back: bool) -> None:
    told = amiss({A.name: manifest, NAMES[4]: None}, Records(None, (book(live={2: NAMES[4]}, open={3: NAMES[3]}),)))
    assert sorted(told) == ([A.name] if back else [])
    assert not back or "was deleted by us and is here again" in told[A.name]


def test_our_own_record_counts_unless_we_were_set_back() -> None:
    ours = ledger_of(THREE)
    assert (ours.live, ours.open, ours.head, ours.revision) == ({1: A.name, 2: B.name}, {3: C.name}, 3, THREE.revision)
    assert ledger_of(THREE.leaving({1})).open == {1: A.name, 3: C.name}
    older, newer = (ours.model_copy(update={"revision": ours.revision + by, "live": {}}) for by in (0, 1))
    for told, ahead in ((older, False), (newer, True)):
        assert is_ahead(told, THREE) is ahead
        assert sorted(amiss({}, Records(THREE, (told,)))) == ([] if ahead else [A.name, B.name])
    assert not is_ahead(newer.model_copy(update={"signer": "ed25519:x"}), THREE)
    assert not is_ahead(newer.model_copy(update={"chain": "c1"}), THREE)
    assert len(Records(THREE, (book(),)).books) == 2


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (ledger.name_of("c0"), True),
        ("redis_backup_ledger_c0.json.bak", False),
        ("other_c0.json", False),
        (f"{NAMES[0]}.manifest.json", False),
    ],
)
def test_a_ledger_is_told_by_its_name(name: str, is_one: bool) -> None:
    assert ledger.is_ledger(name) is is_one

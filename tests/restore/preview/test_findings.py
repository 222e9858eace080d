"""What a preview counts and shows, by itself: groups, prefixes, samples, sizes, and what no target would load."""

from typing import Any

import pytest

from worker.arguments.restore import PreviewArguments
from worker.formats.compare.values import KINDS, Sides
from worker.formats.entries import Consumer, Element, Entry, Group, Opaque, Stream, VectorSet
from worker.formats.rdb.payload import seal
from worker.restore.preview.compatibility import Foreign, _of_module, type_name
from worker.restore.preview.findings import PREFIXES_COUNTED, PREFIXES_SHOWN, Findings
from worker.restore.preview.samples import NAMED, SAMPLES, Samples, size_of
from worker.restore.selection.filters import LONGEST_PREFIX
from worker.restore.target.footprint import OTHERS, Footprint, Limits
from worker.restore.target.needs import Needs

SIDES = Sides(11, 11, 0)


def findings(**request: Any) -> Findings:
    return Findings(PreviewArguments(name="latest", **request), Needs(Footprint(OTHERS, Limits()), {}))


def entry(key: bytes = b"k", value: Any = b"v", kind: str = "string", db: int = 0) -> Entry:
    return Entry(db, key, None, kind, None, value)


def counted(*keys: bytes) -> dict[str, dict[str, int]]:
    """The counts by prefix, of keys that are identical."""
    found = findings()
    for key in keys:
        found.add_alike([entry(key)])
    by_prefix: dict[str, dict[str, int]] = found.as_dict()["by_prefix"]
    return by_prefix


def test_keys_are_counted_by_what_comes_before_their_first_colon() -> None:
    assert counted(b"user:1", b"user:2:x", b"user", b":x", b"a:") == {
        "user:": {"identical": 2},
        "(no prefix)": {"identical": 1},
        ":": {"identical": 1},
        "a:": {"identical": 1},
    }


@pytest.mark.parametrize(("length", "is_one"), [(LONGEST_PREFIX - 1, True), (LONGEST_PREFIX, False)])
def test_a_long_prefix_is_none(length: int, is_one: bool) -> None:
    assert list(counted(b"x" * length + b":1")) == ["x" * length + ":" if is_one else "(no prefix)"]


@pytest.mark.parametrize("number", [PREFIXES_SHOWN, PREFIXES_SHOWN + 1, PREFIXES_SHOWN + 9])
def test_the_commonest_prefixes_are_shown_and_the_others_in_one_sum(number: int) -> None:
    names = [b"%03d:" % place for place in range(number)]
    keys = [name + b"x" for place, name in enumerate(names) for _ in range(number - place)]
    rest = sum(number - place for place in range(PREFIXES_SHOWN, number))
    shown = counted(*keys)
    assert [name for name in shown if name != "(others)"] == [name.decode() for name in names[:PREFIXES_SHOWN]]
    assert shown.get("(others)") == ({"identical": rest} if rest else None)


@pytest.mark.parametrize("number", [PREFIXES_COUNTED, PREFIXES_COUNTED + 1])
def test_of_very_many_prefixes_the_first_ones_are_counted(number: int) -> None:
    last = b"%05d:" % (number - 1)
    shown = counted(*(b"%05d:x" % place for place in range(number)), *[last + b"y"] * 5)
    assert (last.decode() in shown) == (number <= PREFIXES_COUNTED)
    assert sum(counts["identical"] for counts in shown.values()) == number + 5


def test_each_kind_is_counted_by_database_and_type_and_forecast() -> None:
    found = findings(mode="overwrite")
    for kind, number in (("identical", 3), ("deleted", 2)):
        for place in range(number):
            one = entry(b"%d" % place, db=place)
            if kind == "identical":
                found.add_alike([one])
            else:
                assert found.add_deleted(one)
    told = found.as_dict()
    assert told["by_db"] == {
        "0": {"identical": 1, "deleted": 1},
        "1": {"identical": 1, "deleted": 1},
        "2": {"identical": 1},
    }
    assert told["by_type"] == {"string": {"identical": 3, "deleted": 2}}
    assert told["forecast"] == {
        "restored": 3,
        "skipped": 0,
        "differing": 0,
        "expired": 0,
        "failed": 0,
        "deleted": 2,
    }
    found.failing = 1
    assert found.forecast == {**told["forecast"], "restored": 2, "failed": 1, "deleted": 0}


@pytest.mark.parametrize(
    ("mode", "kinds", "written"),
    [
        ("skip", None, {"new"}),
        ("overwrite", None, {"new", "identical", "differs", "expiry"}),
        ("overwrite", ["new", "differs"], {"new", "differs"}),
        ("skip", ["differs"], set()),
    ],
)
def test_which_kinds_are_written_follows_from_the_mode(mode: str, kinds: list[str] | None, written: set[str]) -> None:
    found = findings(mode=mode, **({"kinds": kinds} if kinds else {}))
    assert {kind for kind in KINDS if found.writes(kind)} == written


def test_a_few_keys_of_each_kind_are_shown() -> None:
    samples = Samples(PreviewArguments(name="latest"))
    for number in range(SAMPLES + 2):
        assert samples.room("new") == (number < SAMPLES)
        samples.add("new", entry(b"%d" % number), None, SIDES)
    samples.add_alike([entry(b"a")] * (SAMPLES - 1))
    samples.add_alike([entry(b"b")] * 3)
    told = samples.as_dict()
    assert told["named"] is None
    assert [one["key"] for one in told["samples"]["new"]] == [str(number) for number in range(SAMPLES)]
    assert [one["key"] for one in told["samples"]["identical"]] == ["a"] * (SAMPLES - 1) + ["b"]


def test_keys_that_were_asked_for_are_shown_whatever_they_are() -> None:
    samples = Samples(PreviewArguments(name="latest", keys=frozenset({"k"})))
    samples.add("differs", entry(), entry(value=b"w"), SIDES)
    samples.add("deleted", None, entry(), SIDES)
    samples.add_alike([entry()] * (NAMED - 2))
    samples.add_alike([entry()] * 3)
    samples.add("new", entry(), None, SIDES)
    named = samples.as_dict()["named"]
    assert [one["kind"] for one in named] == ["differs"] + ["identical"] * (NAMED - 1)
    assert named[0] == {
        "kind": "differs",
        "db": 0,
        "key": "k",
        "type": "string",
        "backup": {"type": "string", "expires_at": None, "bytes": 1},
        "live": {"type": "string", "expires_at": None, "bytes": 1},
        "rows": [{"part": "value", "backup": "v", "live": "w"}],
        "more": 0,
    }


def test_what_is_the_same_or_has_expired_has_no_rows() -> None:
    samples = Samples(PreviewArguments(name="latest"))
    for kind in ("identical", "expired"):
        which: Any = kind
        samples.add(which, entry(), entry(value=b"w"), SIDES)
    shown = samples.as_dict()["samples"]
    assert [(shown[kind][0]["rows"], shown[kind][0]["more"]) for kind in ("identical", "expired")] == [([], 0)] * 2


@pytest.mark.parametrize(
    ("kind", "value", "size"),
    [
        ("string", None, 0),
        ("string", b"abc", 3),
        ("list", [b"abc", b"d"], 4),
        ("set", [], 0),
        ("zset", [(b"abc", 1.0), (b"d", 2.0)], 20),
        ("hash", [(b"abc", b"de", None), (b"f", b"", 5)], 6),
        (
            "stream",
            Stream(
                [("1-1", [(b"abc", b"de")]), ("2-1", [(b"f", b"")])],
                "2-1",
                groups=[Group(b"g", "0-0", None, [Consumer(b"c")])],
            ),
            6,
        ),
        ("vectorset", VectorSet(1, "q8", 16, None, [Element(b"ab", b"c", 1, 1, b"{}", b"12345")] * 2), 10),
        ("module", Opaque(b"12345"), 5),
    ],
)
def test_a_value_is_as_large_as_what_is_in_it(kind: str, value: Any, size: int) -> None:
    assert size_of(entry(value=value, kind=kind)) == size
    assert size_of(Entry(0, b"k", None, kind, b"1234567")) == 7


class Target:
    """One that loads up to that version."""

    def __init__(self, newest: int) -> None:
        self._newest = newest

    def loads(self, version: int) -> bool:
        return version <= self._newest


def judged(*entries: Entry, version: tuple[int, ...] = (8, 0), fields: bool = True) -> tuple[int, list[str]]:
    foreign, target, nobody = Foreign(version, fields=fields), Target(11), None
    for one in entries:
        foreign.see(one)
    anybody: Any = target
    endpoint: Any = nobody
    return foreign.judged(anybody, endpoint)


def opaque(version: int, payload: bytes = b"\x00\x01v", kind: str = "string") -> Entry:
    return entry(value=Opaque(seal(payload, version)), kind=kind)


def test_what_a_target_does_not_load_fails_and_says_why() -> None:
    assert judged(entry(), opaque(11)) == (0, [])
    assert judged(*[opaque(12)] * 1200, opaque(13), opaque(11)) == (
        1201,
        [
            "1,200 keys hold bytes that only their own server can read, of RDB version 12, and the target does not load that "
            "version: those keys will fail.",
            "1 key holds bytes that only its own server can read, of RDB version 13, and the target does not load that "
            "version: that key will fail.",
        ],
    )


@pytest.mark.parametrize("version", [(4, 0, 14), (5, 0), (8, 0)])
def test_streams_fail_where_there_are_none(version: tuple[int, ...]) -> None:
    stream = entry(value=Stream([], "0-0"), kind="stream")
    one = ["1 key is a stream, and the target is too old for those: that key will fail."]
    two = ["2 keys are streams, and the target is too old for those: those keys will fail."]
    old = version < (5, 0)
    assert judged(stream, entry(), version=version) == ((1, one) if old else (0, []))
    assert judged(stream, stream, version=version) == ((2, two) if old else (0, []))


# One key, and more: at a target without the type, and at one that does not tell.
MODULES = {
    (
        "ReJSON-RL",
        1,
        False,
    ): "1 key holds a value of the module type 'ReJSON-RL', and the target has no module 'ReJSON': load "
    "it there first, or that key will fail.",
    (
        "another",
        1200,
        False,
    ): "1,200 keys hold values of the module type 'another', and the target has no module 'another': "
    "load it there first, or those keys will fail.",
    (
        "MBbloom--",
        2,
        True,
    ): "2 keys hold values of the module type 'MBbloom--', and the target does not tell which modules it "
    "has: make sure that 'bf' is among them.",
    (
        "vectorset",
        1,
        False,
    ): "1 key is a vector set, which Redis 8 and newer has built in, and the target has not: that key will fail.",
    (
        "vectorset",
        3,
        False,
    ): "3 keys are vector sets, which Redis 8 and newer has built in, and the target has not: those keys will fail.",
    (
        "vectorset",
        3,
        True,
    ): "3 keys are vector sets, which Redis 8 and newer has built in: the target does not tell whether it has.",
}


@pytest.mark.parametrize(("name", "number", "is_silent"), MODULES)
def test_a_module_that_may_be_missing_is_named(name: str, number: int, is_silent: bool) -> None:
    assert _of_module(name, number, None if is_silent else set()) == MODULES[name, number, is_silent]


def test_expiry_of_fields_is_lost_where_there_is_none() -> None:
    expiring = entry(value=[(b"f", b"v", 5)], kind="hash")
    lasting = entry(value=[(b"f", b"v", None)], kind="hash")
    assert judged(expiring, lasting) == (0, [])
    failing, (sentence,) = judged(expiring, lasting, fields=False)
    assert failing == 0
    assert sentence.startswith("If restored, ")


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"", None),
        (b"\x00\x01v", None),
        (b"\x07", None),
        (b"\x07\xc0\x01", None),
        (b"\x07\x81" + bytes.fromhex("bde72d2d1b1e9800"), "vecTu0bP0"),
    ],
)
def test_the_name_of_a_modules_type_stands_in_its_payload(payload: bytes, name: str | None) -> None:
    found = type_name(payload)
    assert (found is None) == (name is None)
    assert found is None or len(found) == 9


def test_a_damaged_key_that_was_asked_for_is_not_one_that_the_backup_lacks() -> None:
    found = findings(keys=frozenset({"k", "other"}))
    found.add_damaged(entry(), "it is damaged")
    missing = found.samples.named.missing
    assert missing is not None
    assert missing.startswith("1 key that was named is not in the part of the backup that is asked for: other.")

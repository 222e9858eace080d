"""Where a key goes and when it expires, by the rules alone, and which ways cannot be."""

import json
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.backups import Given, manifest_of
from tests.support.processes import CANARY
from worker.arguments.redirection import Redirection
from worker.config.settings import Settings
from worker.config.validation import first_fault
from worker.errors import RefusedError, UsageError
from worker.formats.entries import Entry
from worker.restore.selection.mapping import Redirected

HOUR = 3_600_000
NOW = 1_700_000_000_000
MADE = datetime.fromtimestamp((NOW - HOUR) / 1000, UTC)
"""When the backup of the pure tests was made: an hour ago."""
LIBRARY = b"#!lua name=lib\n"


def moved(entries: list[Entry], *, made: datetime = MADE, **way: Any) -> list[Entry]:
    """What becomes of these entries, at the moment NOW."""
    manifest = manifest_of("redis_backup_20231114_211320.rdb", created_at=made)
    stream = Redirected(Given(entries), Redirection(**way), manifest, now=NOW)
    return [entry for batch in stream.batches() for entry in batch]


def string(key: bytes = b"k", expires_at: int | None = None, db: int = 0) -> Entry:
    return Entry(db, key, expires_at, "string", value=b"v")


WAYS: dict[str, tuple[dict[str, Any], tuple[int, bytes] | None]] = {
    "nothing said": ({}, (0, b"user:1")),
    "another database": ({"map_databases": "0:5"}, (5, b"user:1")),
    "a map without it": ({"map_databases": {3: 5}}, (0, b"user:1")),
    "a prefix": ({"prefix": "restored:"}, (0, b"restored:user:1")),
    "a prefix in another script": ({"prefix": "я:"}, (0, "я:user:1".encode())),
    "a prefix taken off": ({"strip_prefix": "user:"}, (0, b"1")),
    "one that it has not": ({"strip_prefix": "queue:"}, None),
    "one for another": ({"strip_prefix": "user:", "prefix": "u:"}, (0, b"u:1")),
    "all of it": ({"strip_prefix": "user:1", "prefix": "one", "map_databases": "0:1"}, (1, b"one")),
}


@pytest.mark.parametrize(("way", "expected"), WAYS.values(), ids=WAYS)
def test_a_key_goes_where_it_is_sent(way: dict[str, Any], expected: tuple[int, bytes] | None) -> None:
    assert [(one.db, one.key) for one in moved([string(b"user:1")], **way)] == ([expected] if expected else [])


LIVES: dict[str, tuple[str, dict[int | None, int | None]]] = {
    "kept": ("keep", {None: None, NOW - 1: NOW - 1, NOW + 5: NOW + 5}),
    "shifted by the hour that the backup is old": (
        "shift",
        {None: None, NOW - HOUR: NOW, NOW + 5: NOW + 5 + HOUR},
    ),
    "taken away": ("persist", {None: None, NOW - 1: None, NOW + 5: None}),
    "no shorter than a minute": (
        "floor:60",
        {None: None, NOW - HOUR: NOW + 60_000, NOW + 60_001: NOW + 60_001, NOW + HOUR: NOW + HOUR},
    ),
}


@pytest.mark.parametrize(("policy", "times"), LIVES.values(), ids=LIVES)
def test_an_expiry_becomes_what_the_policy_says(policy: str, times: dict[int | None, int | None]) -> None:
    for before, after in times.items():
        assert [one.expires_at for one in moved([string(expires_at=before)], expiry=policy)] == [after]
        fields = Entry(0, b"h", None, "hash", value=[(b"f", b"v", before), (b"g", b"w", None)])
        assert [one.value for one in moved([fields], expiry=policy)] == [[(b"f", b"v", after), (b"g", b"w", None)]]


def test_a_backup_from_a_clock_that_was_ahead_shifts_nothing_back() -> None:
    ahead = MADE + timedelta(days=1)
    assert [one.expires_at for one in moved([string(expires_at=NOW + 5)], made=ahead, expiry="shift")] == [NOW + 5]


@pytest.mark.parametrize(
    ("way", "kept"),
    [({}, True), ({"map_databases": "0:1"}, True), ({"expiry": "persist"}, True), ({"prefix": "a"}, False), ({"strip_prefix": "a"}, False)],
)  # fmt: skip
def test_functions_go_along_only_while_keys_keep_their_names(way: dict[str, Any], kept: bool) -> None:
    manifest = manifest_of("redis_backup_20231114_211320.rdb")
    assert Redirected(Given([], [LIBRARY]), Redirection(**way), manifest).libraries == ([LIBRARY] if kept else [])


def test_databases_that_would_meet_in_one_are_refused() -> None:
    assert Redirection(map_databases={0: 5, 5: 0}).mapped([0, 3, 5]) == [5, 3, 0]
    with pytest.raises(RefusedError, match="Databases 0 and 3 of the backup would both go to database 5"):
        Redirection(map_databases={0: 5, 3: 5}).mapped([0, 3])
    with pytest.raises(RefusedError, match="Databases 0 and 3 of the backup would both go to database 3"):
        Redirection(map_databases={0: 3}).mapped([0, 3])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("0:5", True),
        (" 0 : 5 , 1:6 ", True),
        ("10:5,0:6", True),
        ("0:1,1:0", True),
        ("1:2,12:3,2:1", True),
        ("0:5,0:6", False),
        ("00:5\n, 0:6", False),
        ("5:1,2:3,005:7", False),
        ("0:1234567890", False),
        ("0:5,", False),
    ],
)
def test_the_document_of_the_api_takes_the_pairs_that_the_check_takes(text: str, fits: bool) -> None:
    schema = json.dumps(Redirection.model_json_schema())
    (pattern,) = (
        one["pattern"] for one in json.loads(schema)["properties"]["map_databases"]["anyOf"] if "pattern" in one
    )
    assert bool(re.search(pattern, text)) == fits
    with nullcontext() if fits else pytest.raises(ValidationError):
        Redirection.model_validate({"map_databases": text})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"map_databases": "0"}, "map_databases: must be pairs of database numbers, such as 0:5 or 0:5,1:6"),
        ({"map_databases": "0:-5"}, "map_databases: must be pairs of database numbers, such as 0:5 or 0:5,1:6"),
        ({"map_databases": "0:5;1:6"}, "map_databases: must be pairs of database numbers, such as 0:5 or 0:5,1:6"),
        ({"map_databases": "0:5, 0:6"}, "map_databases: must name each database of the backup once"),
        ({"map_databases": [0, 5]}, "map_databases: must be names with values"),
        ({"map_databases": {"0": -1}}, "map_databases.0: must be at least 0"),
        ({"map_databases": {"x": 1}}, "map_databases.x.[key]: must be a whole number"),
        ({"expiry": "never"}, "expiry: must be keep, shift, persist, or floor:SECONDS such as floor:3600"),
        ({"expiry": "floor:0"}, "expiry: must be keep, shift, persist, or floor:SECONDS such as floor:3600"),
        ({"expiry": "floor:-1"}, "expiry: must be keep, shift, persist, or floor:SECONDS such as floor:3600"),
        ({"expiry": 60}, "expiry: must be text"),
        ({"prefix": "x" * 1025}, "prefix: must have at most 1024 characters"),
        ({"strip_prefix": ["x"]}, "strip_prefix: must be text"),
        ({"prefix": "\udcff"}, "prefix: must be text"),
        ({"target": ""}, "target: must have at least 1 character"),
        ({"target": "redis://host:6379"}, None),
    ],
)
def test_what_no_way_can_be_is_told(given: dict[str, Any], said: str | None) -> None:
    if said is None:
        # An address is a name like any other, and no target has it: nobody writes to where a task says.
        with pytest.raises(UsageError, match="There is no target of the name"):
            Redirection.model_validate(given).endpoint(settings_for_nobody())
        return
    with pytest.raises(ValidationError) as caught:
        Redirection.model_validate(given)
    assert str(first_fault(caught.value)) == said


def settings_for_nobody(**targets: str) -> Settings:
    return Settings(redis_targets=targets)


def test_a_map_may_be_written_as_text_or_as_names_with_values() -> None:
    expected = {0: 5, 1: 6}
    assert Redirection.model_validate({"map_databases": " 0:5, 1 : 6 "}).map_databases == expected
    assert Redirection.model_validate({"map_databases": {"0": 5, "1": "6"}}).map_databases == expected


def test_an_unknown_target_is_told_with_those_that_there_are_and_no_address() -> None:
    settings = settings_for_nobody(staging=f"redis://:{CANARY}@10.0.0.9:6379", rehearsal=f"redis://:{CANARY}@h:1")
    with pytest.raises(UsageError) as caught:
        Redirection(target="production").endpoint(settings)
    assert str(caught.value) == ("There is no target of the name 'production': REDIS_TARGETS has rehearsal, staging.")
    with pytest.raises(UsageError, match="REDIS_TARGETS has none"):
        Redirection(target="production").endpoint(settings_for_nobody())

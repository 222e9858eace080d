"""How much of a backup is restored: by pattern, exclusion, list of keys, type and database."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.support.backups import Given, bring_back, take, wipe
from tests.support.processes import CANARY, Shell
from tests.support.servers import Binary, Server
from worker.arguments.restore import RestoreArguments
from worker.arguments.selection import MOST_KEYS, Selection
from worker.config.validation import first_fault
from worker.formats.entries import Entry
from worker.formats.key_text import LONGEST_KEY, key_bytes, key_text
from worker.repository import catalogue
from worker.restore.selection.filters import Selected
from worker.storage.local import Folder

BINARY = b"\xff\x00\r\nbinary"
ENTRIES = [
    Entry(0, b"user:1", None, "string"),
    Entry(0, b"user:2", None, "hash"),
    Entry(0, b"tmp:1", None, "string"),
    Entry(3, b"user:1", None, "string"),
    Entry(3, BINARY, None, "set"),
    Entry(3, b"", None, "stream"),
]
LIBRARY = b"#!lua name=lib\n"


def chosen(**selection: Any) -> list[tuple[int, bytes]]:
    """Which of ENTRIES a selection leaves."""
    stream = Selected(Given(ENTRIES, [LIBRARY]), Selection(**selection))
    return [(entry.db, entry.key) for batch in stream.batches() for entry in batch]


ALL = [(entry.db, entry.key) for entry in ENTRIES]
CHOSEN: dict[str, tuple[dict[str, Any], list[tuple[int, bytes]]]] = {
    "nothing said": ({}, ALL),
    "one pattern": ({"match": "user:*"}, [ALL[0], ALL[1], ALL[3]]),
    "several patterns": ({"match": ["user:2", "tmp:*"]}, [ALL[1], ALL[2]]),
    "an exclusion": ({"exclude": "user:*"}, [ALL[2], ALL[4], ALL[5]]),
    "several exclusions": ({"exclude": ["user:*", "tmp:*"]}, [ALL[4], ALL[5]]),
    "a pattern less an exclusion": ({"match": "user:*", "exclude": "*:2"}, [ALL[0], ALL[3]]),
    "the same pattern twice": ({"match": "user:*", "exclude": "user:*"}, []),
    "named keys": ({"keys": ["user:1", "tmp:1", "missing"]}, [ALL[0], ALL[2], ALL[3]]),
    "a binary key by its text": ({"keys": [key_text(BINARY)]}, [ALL[4]]),
    "the empty key": ({"keys": [key_text(b"")]}, [ALL[5]]),
    "the empty key, said by a program": ({"keys": [""]}, [ALL[5]]),
    "an empty list of keys": ({"keys": []}, []),
    "a named key that is no pattern": ({"keys": ["user:*"]}, []),
    "types": ({"types": ["set", "hash"]}, [ALL[1], ALL[4]]),
    "a database": ({"databases": "3"}, [ALL[3], ALL[4], ALL[5]]),
    "databases, one of them not there": ({"databases": [0, 9]}, [ALL[0], ALL[1], ALL[2]]),
    "all databases": ({"databases": "all"}, ALL),
    "all at once": (
        {
            "match": ["user:*", "t*"],
            "exclude": "*:2",
            "keys": ["user:1", "user:2"],
            "types": ["string"],
            "databases": 3,
        },
        [ALL[3]],
    ),
}


@pytest.mark.parametrize(("selection", "expected"), CHOSEN.values(), ids=CHOSEN)
def test_a_selection_leaves_exactly_what_it_means(selection: dict[str, Any], expected: list[tuple[int, bytes]]) -> None:
    assert chosen(**selection) == expected


@pytest.mark.parametrize("name", ["match", "exclude", "keys", "types", "databases"])
def test_functions_are_left_out_as_soon_as_a_part_is_meant(name: str) -> None:
    whole = Selected(Given(ENTRIES, [LIBRARY]), Selection())
    assert (whole.libraries, whole.rdb_version) == ([LIBRARY], 11)
    said = {"match": "*", "exclude": "x", "keys": ["x"], "types": ["set"], "databases": 0}
    part = Selected(Given(ENTRIES, [LIBRARY]), Selection.model_validate({name: said[name]}))
    assert (part.libraries, part.rdb_version) == ([], 11)


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"\\xff")
@example(b"\\\\x41\\")
@example(b"  two blanks at either end  ")
@example(b" ")
@example(b"")
@example(b'""')
@example("\u2028\x85\x0b\x1c\ufeff\u00a0".encode())
@example(b"\xed\xa0\x80 half a surrogate pair")
@hypothesis_settings(max_examples=1000)
def test_every_key_is_read_back_from_its_text(key: bytes) -> None:
    text = key_text(key)
    assert key_bytes(text) == key
    assert text.isprintable()
    assert text == text.strip()
    assert text.splitlines() == [text]
    assert Selection(keys=frozenset([text])).keys == frozenset([text])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\\"), max_size=30))
def test_a_key_that_is_plain_text_is_its_own_text(text: str) -> None:
    assume(text not in ("", '""'))
    assert key_text(text.encode()) == text


@pytest.mark.parametrize("text", ["a\\b", "C:\\temp", "\\", "\\x4", "\\xzz"])
def test_a_backslash_that_escapes_nothing_is_a_backslash(text: str) -> None:
    assert key_bytes(text) == text.encode()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"match": ""}, "match.0: must have at least 1 character"),
    ({"match": ["*", ""]}, "match.1: must have at least 1 character"),
    ({"match": {"user": 1}}, "match: must be a pattern, or a list of patterns"),
    ({"match": None}, "match: must be a pattern, or a list of patterns"),
    ({"exclude": [1]}, "exclude.0: must be text"),
    ({"exclude": ["x"] * 101}, "exclude: must be at most 100 of them"),
    ({"match": "x" * 4097}, "match.0: must have at most 4096 characters"),
    ({"match": "\udcff"}, "match.0: must be text"),
    ({"keys": "user:1"}, "keys: must be a list"),
    ({"keys": ["\ud800"]}, "keys.0: must be text"),
    ({"keys": ["x" * (LONGEST_KEY + 1)]}, f"keys.0: must have at most {LONGEST_KEY} characters"),
    ({"keys": [str(number) for number in range(MOST_KEYS + 1)]}, "keys: must be at most 100,000 of them"),
    (
        {"types": ["hash", "table"]},
        "types.1: must be 'string', 'list', 'set', 'zset', 'hash', 'stream', 'vectorset' or 'module'",
    ),
    ({"types": []}, "types: must have at least 1 item"),
    (
        {"types": ["unknown"]},
        "types.0: must be 'string', 'list', 'set', 'zset', 'hash', 'stream', 'vectorset' or 'module'",
    ),
    ({"databases": [-1]}, "databases.0: must be at least 0"),
    ({"pattern": "*"}, "pattern: is not known here"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_cannot_be_meant_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RestoreArguments.model_validate({"name": "latest", **given})
    assert str(first_fault(caught.value)) == said


@pytest.fixture
def varied(source: Server, tmp_path: Path) -> Server:
    """A server that was backed up in both formats, and then emptied."""
    for db in (0, 3):
        client: Any = source.client(db)
        client.mset({"user:1": "Ann", "user:2": "Bob", "tmp:1": "x", BINARY: "y", "": "the empty key"})
        client.hset("user:3", "name", "Cid")
        client.rpush("queue:1", "job")
    if source.binary.version >= (7, 0):
        source.client().function_load("#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    for data_format in ("rdb", "json"):
        take(source, tmp_path, format=data_format, engine="scan")
    wipe(source)
    return source


def there(server: Server) -> dict[int, set[bytes]]:
    clients: dict[int, Any] = {db: server.client(db) for db in (0, 3)}
    return {db: set(client.keys()) for db, client in clients.items()}


RESTORED: dict[str, tuple[dict[str, Any], dict[int, set[bytes]]]] = {
    "several patterns": (
        {"match": ["user:[12]", "queue:*"], "databases": 0},
        {0: {b"user:1", b"user:2", b"queue:1"}, 3: set()},
    ),
    "patterns and exclusions": (
        {"match": "*:*", "exclude": ["user:*", "tmp:?"]},
        {0: {b"queue:1"}, 3: {b"queue:1"}},
    ),
    "named keys, one of them binary": (
        {"keys": [key_text(BINARY), "", "user:3"], "databases": 3},
        {0: set(), 3: {BINARY, b"", b"user:3"}},
    ),
    "named keys of one type": ({"keys": ["user:1", "user:3"], "types": ["hash"]}, {0: {b"user:3"}, 3: {b"user:3"}}),
}


@pytest.mark.parametrize(("arguments", "expected"), RESTORED.values(), ids=RESTORED)
def test_a_restore_writes_what_is_meant_and_nothing_else(
    arguments: dict[str, Any], expected: dict[int, set[bytes]], varied: Server, tmp_path: Path
) -> None:
    for manifest in catalogue.read(Folder(tmp_path)).backups:
        report = bring_back(varied, tmp_path, manifest.name, **arguments)
        assert there(varied) == expected
        assert report["restored"] == sum(map(len, expected.values()))
        assert (report["skipped"], report["failed"], report["functions"]) == (0, 0, 0)
        wipe(varied)


@pytest.fixture
def shell(newest: Binary, start_server: StartServer, tmp_path: Path) -> Shell:
    """A shell at a source with a few keys, that were backed up and then lost."""
    source = start_server(newest, password=CANARY)
    client: Any = source.client()
    client.mset({"user:1": "Ann", "user:2": "Bob", "tmp:1": "x", "queue:1": "y", BINARY: "z", "": "empty"})
    take(source, tmp_path / "backups")
    client.flushall()
    return Shell(source.url, tmp_path / "backups", tmp_path)


@pytest.fixture
def restored(shell: Shell, newest: Binary) -> Callable[..., set[bytes]]:
    """Runs `restore latest` with these options: the keys that came back."""

    def run(*options: str) -> set[bytes]:
        ended = shell("restore", "latest", "--json", *options)
        assert ended.code == 0, ended.err
        return keys_at(shell)

    return run


def keys_at(shell: Shell) -> set[bytes]:
    with redis.from_url(shell.source) as client:
        return set(client.keys())


def write_keys(shell: Shell, keys: Iterable[str], end: str = "\n") -> str:
    path = shell.folder / "keys.txt"
    path.write_bytes(end.join([*keys, ""]).encode())
    return str(path)


def test_the_shell_takes_a_pattern_twice_and_an_exclusion(restored: Callable[..., set[bytes]]) -> None:
    assert restored("--match", "user:*", "--match", "tmp:*", "--exclude", "*:2") == {b"user:1", b"tmp:1"}


def test_the_shell_takes_two_types(shell: Shell, restored: Callable[..., set[bytes]]) -> None:
    assert restored("--type", "hash", "--type", "list") == set()
    assert restored("--type", "string", "--type", "list", "--match", "user:*") == {b"user:1", b"user:2"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_shell_takes_keys_from_a_file(end: str, shell: Shell, restored: Callable[..., set[bytes]]) -> None:
    keys = write_keys(shell, ["user:1", "", key_text(BINARY), key_text(b""), "not there"], end)
    assert restored("--keys-from", keys) == {b"user:1", BINARY, b""}


def test_a_file_of_keys_may_begin_as_windows_begins_it(shell: Shell, restored: Callable[..., set[bytes]]) -> None:
    assert restored("--keys-from", write_keys(shell, ["\ufeffuser:1"])) == {b"user:1"}


def test_a_restore_of_keys_that_are_all_missing_says_so(shell: Shell) -> None:
    ended = shell("restore", "latest", "--keys-from", write_keys(shell, ["nothing"]))
    assert ended.code == 0
    assert "Note: No key of the backup fits: nothing was restored." in ended.err
    seen = shell("preview", "latest", "--match", "nothing:*")
    assert seen.code == 0
    assert "A restore would say: 0 restored" in seen.out + seen.err
    assert "Note: No key of the backup fits." in seen.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no key: write each on a line of its own."),
        (b"\n\r\n\n", "holds no key: write each on a line of its own."),
        (b"user:1\n\xff\xfe\n", "is no UTF-8 text: write other bytes of a key as \\xNN."),
        (b"%d\n" * (MOST_KEYS + 1) % tuple(range(MOST_KEYS + 1)), "keys: must be at most 100,000 of them"),
    ],
    ids=["empty", "only line ends", "binary", "too many"],
)
def test_a_bad_file_of_keys_is_told_and_nothing_is_written(content: bytes, said: str, shell: Shell) -> None:
    path = shell.folder / "keys.txt"
    path.write_bytes(content)
    ended = shell("restore", "latest", "--keys-from", str(path))
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert keys_at(shell) == set()


@pytest.mark.parametrize("where", ["missing.txt", "."])
def test_a_file_of_keys_that_cannot_be_opened_is_a_misuse(where: str, shell: Shell) -> None:
    ended = shell("restore", "latest", "--keys-from", where)
    assert ended.code == 2
    assert where in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--match", ""), "match.0: must have at least 1 character"),
        (("--exclude", ""), "exclude.0: must have at least 1 character"),
        (("--type", "table"), "'table' is not one of"),
        (("--db", "one"), "databases: must be `all`, or database numbers with commas between, such as 0,3"),
    ],
)
def test_a_wrong_option_is_told_and_nothing_is_written(options: tuple[str, ...], said: str, shell: Shell) -> None:
    ended = shell("restore", "latest", *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert keys_at(shell) == set()

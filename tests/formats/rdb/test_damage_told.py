"""Each value that is damaged is refused with its database, key, type and byte, whoever meets it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.formats.rdb.damaged import FINE, KINDS, file_of
from tests.formats.rdb.samples import SAMPLES
from tests.support.backups import Given, settings_for
from tests.support.servers import Server
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.adopt import adopt
from worker.backups.export import export
from worker.config.settings import Settings
from worker.errors import ArtifactError, FormatError
from worker.formats import portable
from worker.formats.entries import Entry, Opaque
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import FOOTER_BYTES, seal
from worker.formats.rdb.reader.soundness import check, examine
from worker.formats.rdb.values import decode, kind_of, value_of
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.target.report import FAILURES_SHOWN

VERSION = 12
NAMED = re.compile(r"\bbyte \d+")
BREAKS_THE_FILE = {"a string that breaks off in a stream"}
"""What follows in the file is taken for a part of these values."""
each_kind = pytest.mark.parametrize("what", KINDS)
each_whole_one = pytest.mark.parametrize("what", [what for what in KINDS if what not in BREAKS_THE_FILE])


def bad(what: str, number: int = 0) -> Entry:
    return Entry(3, b"bad:%d" % number, None, kind_of(KINDS[what]), KINDS[what])


def assert_named(words: str, entry: Entry) -> None:
    """All four parts."""
    assert NAMED.search(words), words
    for part in (entry.type, entry.key.decode(), f"database {entry.db}"):
        assert part in words, (part, words)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(ArtifactError) as caught:
        work()
    return str(caught.value)


def exported(settings: Settings, file: Path) -> dict[str, Any]:
    return export(settings, str(file), file.with_suffix(".out.json"), silent)


@each_kind
def test_a_file_is_not_adopted(what: str, tmp_path: Path) -> None:
    file = file_of(tmp_path, [*FINE, bad(what), Entry(4, b"behind", None, "string", b"\x00\x01v")], rdb_version=VERSION)
    settings = Settings(backup_storage=str(tmp_path / "backups"))
    assert_named(refused(lambda: adopt(settings, AdoptArguments(file=file), silent)), bad(what))


def undecodable() -> list[str]:
    """Those that are no value at all; the others contradict themselves."""
    found = []
    for what, payload in KINDS.items():
        try:
            decode(payload, VERSION)
        except FormatError:
            found.append(what)
    return found


@pytest.mark.parametrize("what", undecodable())
def test_what_is_no_value_is_not_written_as_json_nor_built(what: str, tmp_path: Path) -> None:
    entry = bad(what)
    file = file_of(tmp_path, [*FINE, entry], rdb_version=VERSION)
    assert_named(refused(lambda: exported(Settings(), file)), entry)
    assert_named(refused(lambda: value_of(entry, VERSION)), entry)


@each_whole_one
def test_a_document_that_holds_it_is_not_adopted(what: str, tmp_path: Path) -> None:
    file = file_of(tmp_path, [*FINE, bad(what)], "json", VERSION)
    settings = Settings(backup_storage=str(tmp_path / "backups"))
    assert_named(refused(lambda: adopt(settings, AdoptArguments(file=file), silent)), bad(what))


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_value_that_breaks_off_or_goes_on_says_where(sample: str) -> None:
    payload = SAMPLES[sample]
    for broken in (*(payload[:size] for size in range(1, len(payload))), payload + b"\x00"):
        entry = Entry(3, b"bad", None, TYPE_OF[payload[0]], broken)
        assert_named(refused(lambda entry=entry: value_of(entry, VERSION)), entry)  # type: ignore[misc]
        assert NAMED.search(refused(lambda broken=broken: check(broken, VERSION)))  # type: ignore[misc]


def test_a_payload_that_is_not_what_its_checksum_says_says_where() -> None:
    dump = bytearray(seal(SAMPLES["hash"], VERSION))
    dump[1] ^= 1
    assert NAMED.search(refused(lambda: examine(Entry(0, b"k", None, "hash", None, Opaque(bytes(dump))), VERSION)))
    assert len(dump) > FOOTER_BYTES


def test_a_line_of_a_document_names_the_key_whose_value_is_none() -> None:
    text = b"".join(portable.write(Given([Entry(3, b"bad", None, "hash", SAMPLES["hash"])], rdb_version=VERSION), {}))
    words = refused(lambda: list(portable.Reader(iter([text.replace(b'["f","v"]', b'["f"]')])).batches()))
    for part in ("Line 2 ", "hash", "'bad'", "database 3"):
        assert part in words, (part, words)


def test_a_preview_and_a_restore_name_them(target: Server, tmp_path: Path) -> None:
    whole = [what for what in KINDS if what not in BREAKS_THE_FILE]
    for start in range(0, len(whole), FAILURES_SHOWN):
        some = [bad(what, number) for number, what in enumerate(whole[start : start + FAILURES_SHOWN])]
        storage = tmp_path / f"backups-{start}"
        settings = settings_for(target, storage)
        # The version that tells these encodings apart; of what is written here an older server takes the strings.
        file = file_of(tmp_path, [*FINE, *some], rdb_version=VERSION)
        adopt(settings, AdoptArguments(file=file, with_damaged=True), silent)
        foretold = preview(settings, PreviewArguments(name="latest", mode="skip"), silent)
        report = restore(settings, RestoreArguments(name="latest"), silent)
        for told in (foretold["damaged"], report["failures"]):
            assert [(one["db"], one["key"], one["type"]) for one in told] == [
                (one.db, one.key.decode(), one.type) for one in some
            ]
            assert all(NAMED.search(one["error"]) for one in told), told
        assert report["failed"] == len(some)

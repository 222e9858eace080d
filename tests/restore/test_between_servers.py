"""Backups of one server restored into another make or release: what it loads as it is, the rest built from its values.

All that the target can hold is there, the rest is named; preview, search and undo take the one for the other.
"""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, bring_back, fill_all, settings_for, take
from tests.support.servers import Binary, binaries, newest_ones
from tests.support.states import assert_same, state
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import Mode, PreviewArguments, UndoArguments
from worker.formats.entries import EntriesAlone, Entry, Opaque
from worker.formats.rdb.codes import TYPE_OF, loaded_since
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.target.loadable import Fit, Fitted
from worker.restore.undo.undo import undo
from worker.search.search import search

OF_EACH_TYPE = ("text", "compressible", "list:big", "set:big", "set:int64", "zset:small", "hash:odd", "stream")

# Each server to each other one: with the newest of each make always, the whole of it in the slow set.
PAIRS = [
    pytest.param(
        one, other, id=f"{one}-to-{other}", marks=[] if {one, other} <= set(newest_ones()) else [pytest.mark.slow]
    )
    for one, other in permutations(binaries(), 2)
]


@pytest.mark.parametrize("data_format", ["rdb", "json"])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_any_backup_goes_into_any_server(
    one: Binary, other: Binary, data_format: str, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = fill_all(start_server(one)), start_server(other)
    manifest = take(source, tmp_path, format=data_format)
    report = bring_back(target, tmp_path)
    assert (report["restored"], report["failed"], report["skipped"]) == (manifest["keys"], 0, 0)
    assert_same(source, target, times=False)
    assert bool(report["lost"]) == (one.fields_expire and not other.fields_expire)
    told = " ".join(report["warnings"])
    assert ("lose the expiry of single fields" in told) == bool(report["lost"])
    assert ("no functions" in told) == (other.version < (7, 0) <= one.version)
    found = preview(settings_for(target, tmp_path), PreviewArguments(name="latest", mode="overwrite"), silent)
    assert found["refusal"] is None
    assert (found["counts"]["differs"], found["counts"]["new"]) == (report["lost"], 0)
    loses = {"hfe:small", "hfe:big"} if report["lost"] else set[str]()
    for key in [*OF_EACH_TYPE, *loses]:
        searched = search(settings_for(target, tmp_path), SearchArguments(key=key), silent)
        changes = [row["change"] for row in searched["found"][0]["versions"]]
        assert changes == ["differs" if key in loses else "identical", "first"], key


@pytest.mark.sweep
@pytest.mark.parametrize("data_format", ["rdb", "json"])
@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_what_was_built_is_undone_too(
    one: Binary, other: Binary, mode: Mode, data_format: str, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = fill_all(start_server(one)), start_server(other)
    take(source, tmp_path, format=data_format)
    target.client().hset("mine", mapping={"a": 1})
    before = state(target)
    settings = settings_for(target, tmp_path)
    foretold = preview(settings, PreviewArguments(name="latest", mode=mode), silent)
    report = bring_back(target, tmp_path, mode=mode)
    if mode == "mirror":
        # The target's own key is gone, and by file or key by key it is the source's twin.
        assert_same(source, target, times=False)
    assert {name: report[name] for name in foretold["forecast"]} == foretold["forecast"]
    said = [words.removeprefix("If restored, ") for words in foretold["warnings"]]
    assert [words for words in report["warnings"] if "built from" in words] == [
        words for words in said if "built from" in words
    ]
    undone = undo(settings, UndoArguments(run=report["undo"]["name"]), silent)
    assert (undone["left_alone"], undone["failed"]) == (0, 0)
    assert_same(target, before)


def test_fields_that_have_expired_do_not_come_back_where_fields_do_not_expire(
    start_server: StartServer, tmp_path: Path
) -> None:
    able = [binary for binary in binaries() if binary.fields_expire]
    unable = [binary for binary in binaries() if not binary.fields_expire]
    if not able or not unable:
        pytest.skip("needs a server whose fields expire, and one whose do not")
    source, target = start_server(able[-1]), start_server(unable[-1])
    ask = asking(source)
    ask.execute_command("HSET", "h", "stays", 1, "goes", 2, "later", 3)
    ask.execute_command("HSET", "all", "goes", 2)
    ask.execute_command("HPEXPIRE", "h", 100_000_000, "FIELDS", 1, "later")
    for key in ("h", "all"):
        ask.execute_command("HPEXPIRE", key, 1_000, "FIELDS", 1, "goes")
    take(source, tmp_path)
    server_time = target.client().time
    now = server_time()[0]
    while server_time()[0] < now + 2:
        pass
    report = bring_back(target, tmp_path)
    assert target.client().hgetall("h") == {b"stays": b"1", b"later": b"3"}
    assert not target.client().exists("all")
    assert (report["restored"], report["expired"], report["lost_keys"][0]["key"]) == (1, 1, "h")


class _Stream(EntriesAlone):
    rdb_version, libraries = 80, list[bytes]()

    def batches(self) -> Any:
        yield [Entry(0, b"text", None, "string", b"\x00\x01v"), Entry(0, b"odd", None, "hash", b"\xc8odd")]


def test_what_nobody_can_decode_is_left_to_the_target() -> None:
    fit = Fitted(_Stream(), Fit(12, field_expiry=True))
    ((text, odd),) = fit.batches()
    assert (fit.rdb_version, text.payload) == (12, b"\x00\x01v")
    assert odd.payload is None
    assert isinstance(odd.value, Opaque)
    assert odd.value.dump.startswith(b"\xc8odd")


def test_each_type_that_is_decoded_has_its_first_version() -> None:
    only_in_one = {22, 23}
    assert {code for code in TYPE_OF if loaded_since(code) > 1000} == only_in_one

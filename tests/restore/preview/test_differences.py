"""The keys behind the numbers of a preview: all of them can be reached, page by page, with their values."""

from pathlib import Path
from typing import Any

import pytest

from tests.restore.preview.looks import change, look
from tests.support.backups import settings_for
from tests.support.servers import Server
from worker.arguments.restore import DifferencesArguments
from worker.errors import UsageError
from worker.progress import silent
from worker.restore.preview.differences import differences

KINDS = ("new", "identical", "differs", "expiry", "expired", "deleted")


def page(server: Server, storage: Path, **arguments: Any) -> Any:
    return differences(settings_for(server, storage), DifferencesArguments(name="latest", **arguments), silent)


def every(server: Server, storage: Path, **arguments: Any) -> list[dict[str, Any]]:
    """The keys of all pages; none is on two of them."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        part = page(server, storage, after=after, **arguments)
        found += part["keys"]
        if part["next"] is None:
            assert len({(key["db"], key["key"]) for key in found}) == len(found)
            return found
        assert part["keys"]
        after = part["next"]


@pytest.mark.parametrize("mode", ["overwrite", "mirror"])
def test_behind_each_number_of_a_preview_are_as_many_keys(changed: Server, tmp_path: Path, mode: str) -> None:
    storage = tmp_path / "rdb"
    seen = look(changed, storage, mode=mode)
    for kind in KINDS if mode == "mirror" else KINDS[:-1]:
        keys = every(changed, storage, mode=mode, kind=kind, limit=3 if kind != "identical" else 50)
        assert len(keys) == seen["counts"][kind], kind
        assert {key["kind"] for key in keys} <= {kind}
    for kind, number in seen["by_db"]["3"].items():
        assert len(every(changed, storage, mode=mode, kind=kind, of_database=3)) == number
    for name, counts in seen["by_type"].items():
        for kind, number in counts.items():
            assert len(every(changed, storage, mode=mode, kind=kind, of_type=name)) == number, (name, kind)
    for prefix, counts in seen["by_prefix"].items():
        under = '""' if prefix == "(no prefix)" else prefix
        assert len(every(changed, storage, mode=mode, kind="differs", under=under)) == counts.get("differs", 0), prefix
    named = [prefix for prefix in seen["by_prefix"] if prefix != "(no prefix)"]
    rest = every(changed, storage, mode=mode, kind="differs", not_under=named)
    assert len(rest) == seen["by_prefix"]["(no prefix)"]["differs"]


def test_pages_have_the_values_side_by_side_in_the_order_of_the_backup(changed: Server, tmp_path: Path) -> None:
    storage = tmp_path / "rdb"
    all_at_once = every(changed, storage, mode="overwrite", limit=100)
    assert all_at_once == every(changed, storage, mode="overwrite", limit=1)
    (text,) = [key for key in all_at_once if key["key"] == "text"]
    assert text["rows"][0]["live"] == "other text"
    # A narrower request is narrower here too, and what a restore would write is what is shown where no kind is said.
    one = every(changed, storage, mode="overwrite", keys=["text", "int:0"], match=["list:*"])
    assert {key["key"]: key["kind"] for key in one} == {"text": "differs", "int:0": "new", "list:small": "differs"}


def test_a_document_is_paged_alike(changed: Server, tmp_path: Path) -> None:
    changed.client().flushall()
    change(changed, tmp_path / "json", "json")
    seen = look(changed, tmp_path / "json", mode="overwrite")
    keys = every(changed, tmp_path / "json", mode="overwrite", limit=2)
    assert len(keys) == sum(seen["counts"][kind] for kind in ("new", "differs", "expiry"))


def test_only_a_mirror_has_keys_that_it_would_delete(changed: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Only a mirror"):
        page(changed, tmp_path / "rdb", mode="overwrite", kind="deleted")
    with pytest.raises(UsageError, match="these begin anew"):
        page(changed, tmp_path / "rdb", mode="overwrite", kind="new", after="0:x")

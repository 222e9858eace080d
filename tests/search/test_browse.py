"""A look into one backup: its keys by prefix, the largest of them, and some of them as a document."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.given import stored, string
from worker.arguments.questions import BrowseArguments
from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, RefusedError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.search import browse as browsing
from worker.search import tree
from worker.search.browse import browse

GIVEN = [
    *(Entry(0, b"user:%d" % number, None, "string", string(b"x" * number)) for number in range(12)),
    Entry(0, b"user:7:mail", None, "string", string(b"y" * 50)),
    Entry(0, b"user:7:name", 4_000_000_000_000, "string", string(b"z")),
    Entry(3, b"user:7", None, "string", string(b"of another database")),
    Entry(0, b"page/home", None, "string", string(b"p" * 5000)),
    Entry(0, b"\xff :", None, "string", string(b"odd")),
    Entry(0, b"", None, "string", string(b"nameless")),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A storage with one backup of GIVEN; nothing asks the server."""
    stored(tmp_path, GIVEN)
    return Settings(redis_url="redis://127.0.0.1:1/0", backup_storage=str(tmp_path))


def look(settings: Settings, **arguments: Any) -> Any:
    return browse(settings, BrowseArguments(name="redis_backup_20231205_143022.rdb.zst", **arguments), silent)


def test_a_level_has_what_is_below_each_prefix_and_the_keys_that_end_there(settings: Settings) -> None:
    top = look(settings)
    assert (top["keys"], top["types"], top["databases"]) == (18, {"string": 18}, [0, 3])
    assert [(one["prefix"], one["keys"]) for one in top["branches"]] == [("page/", 1), ("user:", 15), (r"\xff :", 1)]
    assert [one["key"] for one in top["listed"]] == ['""']
    assert [one["key"] for one in top["largest"][:2]] == ["page/home", "user:7:mail"]
    assert sum(one["bytes"] for one in top["branches"]) + top["listed"][0]["bytes"] == top["bytes"]
    users = look(settings, prefix="user:", db=0)
    assert (users["keys"], users["ending"]) == (14, 12)
    assert [(one["prefix"], one["keys"]) for one in users["branches"]] == [("user:7:", 2)]
    assert users["listed"][1] == {"key": "user:1", "db": 0, "type": "string", "bytes": 3, "expires_at": None}
    deepest = look(settings, prefix="user:7:")
    assert [(one["key"], one["expires_at"]) for one in deepest["listed"]] == [
        ("user:7:mail", None),
        ("user:7:name", 4_000_000_000_000),
    ]
    assert look(settings, prefix="nothing:")["keys"] == 0


def test_keys_come_by_the_page_and_many_branches_are_told_together(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_KEYS", 5)
    seen, after = list[str](), None
    while True:
        page = look(settings, prefix="user:", db=0, after=after)
        seen += [one["key"] for one in page["listed"]]
        after = page["next"]
        if after is None:
            break
    assert seen == sorted(f"user:{number}" for number in range(12))
    monkeypatch.setattr(tree, "MOST_BRANCHES", 1)
    top = look(settings)
    assert top["others"]["keys"] + sum(one["keys"] for one in top["branches"]) + top["ending"] == top["keys"]
    assert len(top["branches"]) == 1


def test_names_of_a_page_have_room_that_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_NAMES", 1)
    page = look(settings, prefix="user:")
    assert (len(page["listed"]), page["next"]) == (1, "user:0")


def test_one_key_or_a_prefix_is_written_as_a_document(settings: Settings) -> None:
    one = look(settings, prefix="user:7", db=0, document="key")
    (text,) = one["document"]["rows"]
    assert (one["keys"], [row["key"] for row in json.loads(text)["keys"]]) == (1, ["user:7"])
    many = json.loads(look(settings, prefix="user:7", document="prefix")["document"]["rows"][0])
    assert sorted((row["db"], row["key"]) for row in many["keys"]) == [
        (0, "user:7"),
        (0, "user:7:mail"),
        (0, "user:7:name"),
        (3, "user:7"),
    ]
    assert many["count"] == 4
    with pytest.raises(NotFoundError, match="has no such key"):
        look(settings, prefix="user:99", document="key")


def test_a_document_that_is_too_large_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "ROOM", 2000)
    with pytest.raises(RefusedError, match=r"python -m worker export redis_backup_2023"):
        look(settings, document="prefix")


def test_a_damaged_backup_is_no_answer(settings: Settings, tmp_path: Path) -> None:
    file = next(tmp_path.glob("*.zst"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(ArtifactError):
        look(settings)

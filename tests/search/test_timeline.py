"""Keys from backup to backup up to now: what is counted of each step, and which backup is the last good one."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import settings_for, take
from tests.support.servers import Binary, Server
from worker.arguments.questions import TimelineArguments
from worker.errors import CancelledError
from worker.progress import silent
from worker.search import few, marks
from worker.search.timeline import timeline


@pytest.fixture
def story(newest: Binary, start_server: StartServer, tmp_path: Path) -> tuple[Server, Path, list[str]]:
    """Three backups: damage of users came between the second and the third; since then a session went."""
    source, folder = start_server(newest), tmp_path / "backups"
    client: Any = source.client()
    for number in range(20):
        client.hset(f"user:{number}", mapping={"name": number, "mail": "x"})
        client.set(f"session:{number}", number)
    client.set("soon", "x", px=1)
    names = [take(source, folder, format="json")["name"]]
    client.set("session:1", "another")
    names.append(take(source, folder)["name"])
    client.delete("user:1", "user:2")
    for number in range(3, 9):
        client.hset(f"user:{number}", "mail", "damaged")
    client.hset("user:20", "name", "new")
    names.append(take(source, folder)["name"])
    client.delete("session:2")
    source.client(3).set("user:1", "of another database")
    return source, folder, names


def followed(story: tuple[Server, Path, list[str]], **arguments: Any) -> Any:
    source, folder, _ = story
    return timeline(settings_for(source, folder), TimelineArguments(**arguments), silent)


def of(version: dict[str, Any]) -> tuple[int, int, int, int]:
    changes = version["changes"]
    return version["keys"], changes["gone"], changes["differs"], changes["new"]


def test_each_step_is_counted_and_the_backup_before_the_damage_is_the_last_good_one(
    story: tuple[Server, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, names = story
    # As with more prefixes, and more values, than are remembered.
    for most in (marks.MOST_DIGESTS, 0):
        monkeypatch.setattr(marks, "MOST_DIGESTS", most)
        users = followed(story, match=["user:*"], keys=["session:1"])
        assert [version["where"] for version in users["versions"]] == ["live", *reversed(names)]
        live, third, second, first = users["versions"]
        assert (of(live), of(third), of(second)) == ((20, 0, 0, 0), (20, 2, 6, 1), (21, 0, 1, 0))
        assert (first["keys"], first["changes"]) == (21, None)
        assert users["good"] == {"before": names[1], "after": names[2], "gone": 2, "differs": 6}
        assert users["by_prefix"] == [
            {"prefix": "user:", "gone": 2, "differs": 6, "new": 1, "expired": 0},
            {"prefix": "session:", "gone": 0, "differs": 1, "new": 0, "expired": 0},
        ]
        assert users["problems"] == []


def test_of_all_keys_it_says_what_changed_most(story: tuple[Server, Path, list[str]]) -> None:
    everything = followed(story)
    assert [row["prefix"] for row in everything["by_prefix"]] == ["user:", "session:"]
    assert everything["versions"][0]["changes"]["gone"] == 1
    few = followed(story, backups=1)
    assert [version["where"] for version in few["versions"]] == ["live", story[2][2]]
    nothing = followed(story, keys=["no such key"])
    assert (nothing["good"], nothing["by_prefix"]) == (None, [])


def test_a_few_keys_that_are_named_are_looked_up_and_say_the_same(
    story: tuple[Server, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ["user:1", "user:3", "user:20", "nothing"]
    looked_up = followed(story, keys=named)
    assert looked_up["good"] == {"before": story[2][1], "after": story[2][2], "gone": 1, "differs": 1}
    monkeypatch.setattr(few, "MOST", 0)
    read = followed(story, keys=named)
    for version in (*looked_up["versions"], *read["versions"]):
        version.pop("at")
    assert looked_up["versions"] == read["versions"]
    assert looked_up["by_prefix"] == read["by_prefix"]


def test_it_ends_when_somebody_cancels_it(story: tuple[Server, Path, list[str]]) -> None:
    source, folder, _ = story

    def cancelled(phase: str, current: int, total: int | None, unit: str) -> None:
        raise CancelledError("Cancelled.")

    for arguments in (TimelineArguments(), TimelineArguments(keys=frozenset(["user:1"]))):
        with pytest.raises(CancelledError):
            timeline(settings_for(source, folder), arguments, cancelled)


def test_a_source_that_is_away_and_a_backup_that_cannot_be_read_are_problems(
    story: tuple[Server, Path, list[str]],
) -> None:
    source, folder, names = story
    with (folder / names[1]).open("r+b") as file:
        file.seek(40)
        file.write(b"damage")
    away = settings_for(source, folder).model_copy(update={"redis_url": source.url.replace(str(source.port), "1")})
    assert timeline(away, TimelineArguments(), silent)["versions"] == []
    said = followed(story, match=["user:*"])
    assert [version["where"] for version in said["versions"]] == ["live", names[2], names[0]]
    assert said["versions"][1]["changes"]["differs"] == 6
    assert [names[1] in problem for problem in said["problems"]] == [True]
    source.stop()
    gone = followed(story, match=["user:*"])
    assert [version["where"] for version in gone["versions"]] == [names[2], names[0]]
    assert len(gone["problems"]) == 2

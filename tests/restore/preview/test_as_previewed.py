"""A restore of exactly what was previewed: only some kinds, and a stale preview does not pass unseen."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.preview.looks import counts, look, report_of
from tests.support.backups import asking, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.config.settings import Settings
from worker.errors import NotFoundError, RefusedError, UsageError
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.runs.recorder import Recording, perform
from worker.runs.run import new


def test_only_keys_of_the_chosen_kinds_are_written(changed: Server, tmp_path: Path) -> None:
    client = changed.client()
    report = report_of(changed, tmp_path / "rdb", mode="overwrite", kinds={"new", "expiry"})
    assert report["restored"] == 3
    assert (client.get("int:0"), client.exists("hash:odd"), client.ttl("ttl:years") > 0) == (b"0", 1, True)
    assert client.get("text") == b"other text"
    assert counts(look(changed, tmp_path / "rdb"))["differs"] == 5
    assert report_of(changed, tmp_path / "rdb", kinds={"differs"})["restored"] == 0
    assert report_of(changed, tmp_path / "rdb", mode="overwrite", kinds={"differs"})["restored"] == 5
    assert list(counts(look(changed, tmp_path / "rdb"))) == ["identical"]


@pytest.fixture
def remembering(changed: Server, newest: Binary, start_server: StartServer, tmp_path: Path) -> Settings:
    """Settings with a broker, where runs are remembered."""
    return settings_for(changed, tmp_path / "rdb", celery_broker_url=start_server(newest).url)


def previewed(settings: Settings, **arguments: Any) -> str:
    """The id of a preview that was run and remembered."""
    run = new(str(uuid.uuid4()), "preview", {"name": "latest", **arguments}, "test")
    asked_for = PreviewArguments(name="latest", **arguments)
    found = perform(Recording(settings, run), lambda progress: preview(settings, asked_for, progress))
    assert found["run"] == run.id
    return run.id


def again(settings: Settings, **arguments: Any) -> dict[str, Any]:
    return restore(settings, RestoreArguments(name="latest", **arguments), silent)


def test_a_target_that_is_as_it_was_is_restored(remembering: Settings) -> None:
    run = previewed(remembering, mode="overwrite")
    report = again(remembering, mode="overwrite", preview=run, kinds={"new"})
    assert (report["restored"], report["warnings"]) == (2, [])


def test_a_target_that_has_changed_since_is_refused_unless_forced(remembering: Settings, changed: Server) -> None:
    run = previewed(remembering, mode="overwrite")
    changed.client().delete("int:1")
    changed.client(3).set("text", "changed meanwhile")
    before = state(changed)
    words = r"has changed since the preview: new 3 \(2 then\), of another value 6 \(5 then\)\..*--force"
    with pytest.raises(RefusedError, match=words):
        again(remembering, mode="overwrite", preview=run)
    assert_same(changed, before)
    report = again(remembering, mode="overwrite", preview=run, force=True)
    assert [warning.partition(":")[0] for warning in report["warnings"]] == ["The target has changed since the preview"]
    assert report["restored"] == report["restored"] + report["skipped"] > 60


def set_again(client: Any) -> None:
    client.set("text", "changed once more")


def trade_places(client: Any) -> None:
    client.set("int:0", "0")
    client.delete("int:1")


def trade_others(client: Any) -> None:
    client.delete("mine")
    client.set("somebody's", "x")


def lengthen(client: Any) -> None:
    client.rpush("stream of another type", "x")
    client.rename("stream of another type", "stream")


UNCOUNTED: dict[str, tuple[Callable[[Any], None], str]] = {
    "a key that differs changes once more": (set_again, "of another value 5 as then, but other keys or other values"),
    "one key for another": (trade_places, "new 2 as then, but other keys or other values"),
    "a key that would be deleted for another": (
        trade_others,
        "to be deleted 1 as then, but other keys or other values",
    ),
    "its type changes": (lengthen, "of another value 5 as then, but other keys or other values"),
}


@pytest.mark.parametrize(("do", "words"), UNCOUNTED.values(), ids=UNCOUNTED)
def test_a_change_that_leaves_the_counts_as_they_were_is_noticed(
    do: Callable[[Any], None], words: str, remembering: Settings, changed: Server
) -> None:
    run = previewed(remembering, mode="mirror")
    do(changed.client())
    before = state(changed)
    with pytest.raises(RefusedError, match=f"has changed since the preview: .*{words}"):
        again(remembering, mode="mirror", preview=run)
    assert_same(changed, before)


def test_what_a_restore_does_not_write_may_change_meanwhile(remembering: Settings, changed: Server) -> None:
    run = previewed(remembering, mode="overwrite")
    set_again(changed.client())
    assert again(remembering, mode="overwrite", preview=run, kinds={"new"})["restored"] == 2


def test_what_happens_by_itself_is_no_change(source: Server, start_server: StartServer, tmp_path: Path) -> None:
    client = asking(source)
    client.execute_command("SET", "goes", "x", "PX", 1200)
    client.execute_command("SET", "stays", "x")
    client.execute_command("SET", "session", "x", "EX", 1000)
    client.execute_command("SADD", "members", *range(0, 4000, 2), "x")
    client.execute_command("XADD", "events", "1-1", "f", "v")
    client.execute_command("XGROUP", "CREATE", "events", "group", "$")
    take(source, tmp_path / "b")
    client.execute_command("SET", "session", "y", "EX", 500)
    client.execute_command("SADD", "members", *range(2, 6000))
    client.execute_command("XADD", "events", "2-1", "f", "v")
    client.execute_command("XREADGROUP", "GROUP", "group", "Ann", "STREAMS", "events", ">")
    client.execute_command("SET", "of somebody", "x", "PX", 1200)
    settings = settings_for(source, tmp_path / "b", celery_broker_url=start_server(source.binary).url)
    run = previewed(settings, mode="mirror")
    time.sleep(1.3)
    # A session is prolonged, a consumer looks in, and a hash table grows on while it is read.
    client.execute_command("EXPIRE", "session", 800)
    client.execute_command("XREADGROUP", "GROUP", "group", "Ann", "STREAMS", "events", ">")
    for number in range(3000):
        client.execute_command("SISMEMBER", "members", number)
    report = again(settings, mode="mirror", preview=run)
    assert (report["expired"], report["deleted"]) == (1, 0)
    assert not any("has changed" in warning for warning in report["warnings"])


def test_a_preview_of_something_else_is_refused(remembering: Settings, changed: Server, tmp_path: Path) -> None:
    run = previewed(remembering, mode="overwrite", match="int:*")
    with pytest.raises(RefusedError, match=r"something else \(match, mode\)"):
        again(remembering, preview=run)
    with pytest.raises(NotFoundError, match="no run of the id 'never'"):
        again(remembering, preview="never")
    other = new(str(uuid.uuid4()), "verify", {}, "test")
    perform(Recording(remembering, other), lambda _: {})
    with pytest.raises(UsageError, match="is no preview"):
        again(remembering, preview=other.id)
    many = [f"{number}:{'x' * 500}" for number in range(200)]
    run = previewed(remembering, keys=[*many, "text"])
    with pytest.raises(RefusedError, match=r"something else \(keys\)"):
        again(remembering, preview=run, keys=many)
    assert again(remembering, preview=run, keys=["text", *many])["skipped"] == 2
    run = previewed(remembering, mode="overwrite", match="int:*")
    take(changed, tmp_path / "rdb")
    with pytest.raises(RefusedError, match=r"is one of redis_backup_.* and not of redis_backup_"):
        again(remembering, mode="overwrite", match="int:*", preview=run)

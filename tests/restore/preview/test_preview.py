"""Preview: what it counts and shows, and that it only reads."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.restore.preview.looks import change, counts, look, report_of
from tests.support.backups import asking, each_format, settings_for, take
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.progress import silent
from worker.restore.preview.findings import NO_PREFIX, OTHERS, PREFIXES_SHOWN
from worker.restore.preview.preview import preview
from worker.restore.preview.samples import SAMPLES
from worker.restore.restore import restore


@each_format
def test_each_key_is_counted_as_what_it_is(data_format: str, source: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    changed = change(source, storage, data_format)
    found = look(changed, storage, mode="overwrite")
    keys = found["counts"]["identical"] + 8
    assert counts(found) == {"new": 2, "differs": 5, "expiry": 1, "identical": keys - 8}
    nothing = {"skipped": 0, "differing": 0, "expired": 0, "failed": 0, "deleted": 0}
    assert found["forecast"] == {"restored": keys, **nothing}
    assert look(changed, storage)["forecast"] == {
        "restored": 2,
        "skipped": keys - 2,
        "differing": 6,
        "expired": 0,
        "failed": 0,
        "deleted": 0,
    }
    assert (found["refusal"], found["warnings"]) == (None, [])
    assert found["by_db"]["3"] == {"identical": found["by_db"]["3"]["identical"], "differs": 1}
    assert found["by_type"]["hash"] == {"new": 1, "differs": 1, "identical": keys_of(found, "hash") - 2}
    assert found["by_prefix"]["ttl:"] == {"expiry": 1, "identical": 3}
    for group in ("by_db", "by_type", "by_prefix"):
        assert sum(number for kinds in found[group].values() for number in kinds.values()) == keys
    assert sum(found["by_prefix"][NO_PREFIX].values()) > 10
    assert report_of(changed, storage, mode="overwrite")["restored"] == keys
    assert counts(look(changed, storage)) == {"identical": keys}


def keys_of(found: dict[str, Any], kind: str) -> int:
    return sum(found["by_type"][kind].values())


@each_format
def test_a_difference_is_shown_side_by_side(data_format: str, source: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    changed = change(source, storage, data_format)
    samples = look(changed, storage, mode="overwrite")["samples"]
    shown = {(one["db"], one["key"]): one for kind in ("new", "differs", "expiry") for one in samples[kind]}
    assert shown[0, "text"]["rows"] == [
        {
            "part": "value",
            "backup": "0x6772c3bcc39f652c20d0bcd0b8d1802c20e4b896e7958c20f09f8e890d0a0020656e64",
            "live": "other text",
        }
    ]
    assert shown[0, "hash:small"]["rows"] == [{"part": "name", "backup": "Ann", "live": "Bob"}]
    assert shown[0, "list:small"]["rows"][0] == {"part": "type", "backup": "list", "live": "string"}
    assert shown[0, "list:small"]["live"]["type"] == "string"
    assert {"part": "entry 1800000000000-0", "backup": None, "live": "a: b"} in shown[0, "stream"]["rows"]
    assert shown[3, "set:big"]["rows"] == [{"part": "one more", "backup": None, "live": "there"}]
    assert shown[0, "int:0"]["rows"] == [{"part": "value", "backup": "0", "live": None}]
    assert (shown[0, "int:0"]["live"], shown[0, "int:0"]["backup"]["expires_at"]) == (None, None)
    expiry = shown[0, "ttl:years"]
    assert [(row["part"], row["live"]) for row in expiry["rows"]] == [("expires", "never")]
    assert expiry["live"]["expires_at"] is None
    assert expiry["backup"]["expires_at"] > time.time() * 1000
    assert all(len(kind) <= SAMPLES for kind in samples.values())
    assert len(samples["identical"]) == SAMPLES


_NO_WRITERS = {"INFO", "SELECT", "CLIENT", "HELLO", "AUTH", "TIME", "DUMP", "PEXPIRETIME", "HPEXPIRETIME", "PTTL"}
_NO_WRITERS |= {"SCAN", "TYPE", "MODULE", "CONFIG"}


@contextmanager
def monitored(server: Server) -> Iterator[list[list[str]]]:
    """The commands that the server is given meanwhile, each as its words."""
    told: list[list[str]] = []
    client: Any = server.client()
    with client.monitor() as monitor:
        yield told
        server.client().echo("the end")
        for line in monitor.listen():
            words = re.findall(r'"((?:[^"\\]|\\.)*)"', line["command"]) or line["command"].split(" ")
            if words[0].upper() == "ECHO":
                return
            told.append(words)


@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_the_target_is_only_read(mode: str, changed: Server, tmp_path: Path) -> None:
    before = state(changed)
    with monitored(changed) as told:
        look(changed, tmp_path / "rdb", mode=mode)
    assert_same(changed, before)
    given_commands = {words[0].upper() for words in told}
    assert given_commands >= {"DUMP", "TIME"}
    writers = [words for words in told if words[0].upper() not in _NO_WRITERS]
    # Asked in ways that write nothing: a payload that no server takes, a key that nobody has, what a primary is already.
    assert {words[0].upper() for words in writers} <= {"RESTORE", "UNLINK", "REPLICAOF"}
    for words in writers:
        assert words[1:] == ["NO", "ONE"] if words[0].upper() == "REPLICAOF" else words[1].startswith("redis_backup:")
    assert list(changed.client().scan_iter("redis_backup:*")) == []


def test_a_user_who_may_only_read_sees_it_all_and_that_a_restore_would_be_refused(
    changed: Server, tmp_path: Path
) -> None:
    rules = ["on", ">pw", "~*", "+@read", "+@connection", "+info", "+time", "+select", "+dump", "-@write"]
    asking(changed).execute_command("ACL", "SETUSER", "reader", *rules)
    settings = settings_for(changed, tmp_path / "rdb", redis_url=changed.url.replace("//", "//reader:pw@"))
    found = preview(settings, PreviewArguments(name="latest", mode="overwrite"), silent)
    assert counts(found) == counts(look(changed, tmp_path / "rdb", mode="overwrite"))
    assert re.search(
        r"does not allow a restore: .*lacks \+restore\..*`ACL SETUSER reader \+restore`\.$", found["refusal"]
    )


def test_what_a_mirror_would_delete_is_counted_and_shown(changed: Server, tmp_path: Path) -> None:
    changed.client(5).hset("elsewhere", "f", "1")
    found = look(changed, tmp_path / "rdb", mode="mirror")
    assert found["forecast"]["deleted"] == found["counts"]["deleted"] == 2
    shown = {(one["db"], one["key"]): one for one in found["samples"]["deleted"]}
    assert shown[0, "mine"]["rows"] == [{"part": "value", "backup": None, "live": "only here"}]
    assert shown[5, "elsewhere"]["rows"] == [{"part": "f", "backup": None, "live": "1"}]
    assert (shown[5, "elsewhere"]["type"], shown[5, "elsewhere"]["backup"]) == ("hash", None)
    assert found["by_db"]["5"] == {"deleted": 1}
    assert "deleted" not in counts(look(changed, tmp_path / "rdb", mode="overwrite"))


def test_of_many_prefixes_those_with_the_most_keys_are_shown(source: Server, tmp_path: Path) -> None:
    pipe = source.client().pipeline(transaction=False)
    for prefix in range(1500):
        pipe.set(f"{prefix}:a", 1)
    for number in range(100):
        pipe.set(f"user:{number}", number)
    pipe.execute()
    take(source, tmp_path)
    found = look(source, tmp_path)["by_prefix"]
    assert len(found) == PREFIXES_SHOWN + 1
    assert sum(kinds["identical"] for kinds in found.values()) == 1600
    assert list(found)[-1] == OTHERS
    assert found.get("user:", {"identical": 100}) == {"identical": 100}


def test_progress_is_told_in_keys(changed: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None, str]] = []
    arguments = PreviewArguments(name="latest", mode="mirror")
    found = preview(settings_for(changed, tmp_path / "rdb"), arguments, lambda *how: told.append(how))
    keys = sum(found["counts"].values()) - 1
    assert ("comparing", keys, keys, "keys") in told
    assert ("looking for others", 1, None, "keys") in told


def test_the_total_is_that_of_what_is_meant(changed: Server, tmp_path: Path) -> None:
    totals = {"databases": 3, "types": {"string"}}, {"match": "int:*"}, {"strip_prefix": "int:"}
    for narrowed in totals:
        told: set[tuple[int, int | None]] = set()

        def progress(phase: str, current: int, total: int | None, unit: str, told: Any = told) -> None:
            if phase in ("comparing", "restoring", "keeping what is there"):
                told.add((current, total))

        settings = settings_for(changed, tmp_path / "rdb")
        found = preview(settings, PreviewArguments(name="latest", **narrowed), progress)
        restore(settings, RestoreArguments(name="latest", **narrowed), progress)
        keys = sum(found["counts"].values())
        assert {total for _, total in told} == {keys if "types" in narrowed else None}
        assert max(current for current, _ in told) == keys > 1


def test_values_of_megabytes_are_compared(source: Server, tmp_path: Path) -> None:
    client = source.client()
    for number in range(20):
        client.set(f"big:{number}", bytes([number]) * 3_000_000)
    client.rpush("list", *(b"%d" % one * 100 for one in range(20_000)))
    take(source, tmp_path)
    client.setrange("big:7", 2_999_999, "x")
    client.lset("list", 19_999, "x")
    found = look(source, tmp_path)
    assert counts(found) == {"identical": 19, "differs": 2}
    shown = {one["key"]: one for one in found["samples"]["differs"]}
    assert shown["big:7"]["rows"][0]["live"].endswith("78… (3,000,000 bytes)") is False
    assert [row["part"] for row in shown["list"]["rows"]] == ["position 19999"]

"""A target that must not become a mirror is left as it is, and a shell asks first."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.restore.mirror.mirrors import limited, mirror, refused
from tests.support.backups import eventually, settings_for, take
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, caught_up, state
from worker.arguments.restore import RestoreArguments
from worker.config.settings import Settings
from worker.errors import RefusedError, TargetError, UsageError
from worker.progress import silent
from worker.restore.restore import restore


@pytest.mark.parametrize("which", ["celery_broker_url", "celery_result_backend"])
def test_a_target_that_is_the_broker_too_is_refused(which: str, varied: Server, tmp_path: Path) -> None:
    refused(varied, tmp_path, "The broker runs on the target", **{which: varied.url.replace("/0", "/5")})


def test_a_broker_that_tells_us_nothing_is_known_by_its_address(varied: Server, tmp_path: Path) -> None:
    refused(varied, tmp_path, "The broker runs on the target", celery_broker_url=varied.url.replace("//", "//no:pw@"))


def test_a_target_with_replicas_is_refused_unless_forced(
    varied: Server, start_server: StartServer, newest: Binary, tmp_path: Path
) -> None:
    replica = start_server(newest)
    replica.client().replicaof("127.0.0.1", str(varied.port))
    assert eventually(lambda: varied.client().info("replication")["connected_slaves"] == 1)
    refused(varied, tmp_path, "has replicas.*--force")
    report = mirror(varied, tmp_path, force=True)
    assert (report["way"], report["deleted"]) == ("replication", 21)
    assert eventually(lambda: caught_up(replica, varied))
    assert_same(replica, varied)


def test_a_replica_is_refused_and_what_may_have_made_it_one_is_said(
    varied: Server, start_server: StartServer, newest: Binary, tmp_path: Path
) -> None:
    primary = start_server(newest)
    varied.client().replicaof("127.0.0.1", str(primary.port))
    assert eventually(lambda: bool(varied.client().info("replication")["master_link_status"] == "up"))
    with pytest.raises(RefusedError, match=r"replica, which takes no writes: name its primary\.$"):
        mirror(varied, tmp_path)
    primary.kill()
    assert eventually(lambda: bool(varied.client().info("replication")["master_link_status"] == "down"))
    with pytest.raises(RefusedError, match=r"Its link to that is down: .* `REPLICAOF NO ONE` makes it a primary"):
        mirror(varied, tmp_path)


@pytest.mark.parametrize("command", ["scan", "unlink"])
def test_a_user_who_may_not_delete_is_told_so_before_anything_is_written(
    command: str, varied: Server, tmp_path: Path
) -> None:
    settings = settings_for(varied, tmp_path, **limited(varied, f"-{command}"))
    before = state(varied)
    with pytest.raises(TargetError, match=rf"does not allow a mirror: .*lacks \+{command}\."):
        restore(settings, RestoreArguments(name="latest", mode="mirror", match=("user:*",)), silent)
    assert_same(varied, before)


def test_kinds_make_no_mirror(varied: Server, tmp_path: Path) -> None:
    before = state(varied)
    with pytest.raises(UsageError, match="A mirror is of all keys"):
        mirror(varied, tmp_path, kinds={"new"})
    assert_same(varied, before)


def test_an_address_to_listen_on_must_be_one() -> None:
    assert Settings(mirror_bind="0.0.0.0").mirror_bind == "0.0.0.0"
    for wrong in ({"mirror_bind": "redis.example.com"}, {"mirror_port": 70_000}):
        with pytest.raises(ValidationError):
            Settings(**wrong)


@pytest.mark.parametrize(("answer", "left"), [("y\n", [b"k"]), ("n\n", [b"other"]), ("", [b"other"])])
def test_the_shell_asks_first_and_tells_the_way(
    answer: str, left: list[bytes], newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    server.client().set("k", "v")
    name = take(server, tmp_path / "backups")["name"]
    server.client().rename("k", "other")
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    ended = shell("restore", "latest", "--mode", "mirror", answer=answer)
    assert (
        f"with {name} of 127.0.0.1:{server.port} (1 keys), and delete those that it does not have? [y/N]" in ended.err
    )
    assert server.client().keys() == left
    assert ("mirrored by replication: the target allows it" in ended.out) == (left == [b"k"])
    assert ("1 restored, 0 skipped, 0 expired, 0 failed, 1 deleted" in ended.out) == (left == [b"k"])
    assert ended.code == (0 if left == [b"k"] else 1)

"""Others come to the port where a target is to fetch its mirror, before it does: they get no data, and do not keep it out."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.mirror.mirrors import limited, mirror, role
from tests.support.backups import settings_for, take
from tests.support.servers import Binary, Server, free_port
from worker.arguments.restore import RestoreArguments
from worker.progress import silent
from worker.restore.mirror import handover, replicate
from worker.restore.mirror.primary import Primary
from worker.restore.restore import restore
from worker.server.wire import pack

NEXT_DOOR, ELSEWHERE = "127.0.0.1", "127.0.0.9"
"""An attacker on the machine of the target, and one on another."""


BACKED_UP = {f"key:{number}": "secret" for number in range(100)}


class Crowd:
    """Those who come as soon as the port is there, and before the target is told of it."""

    def __init__(self, target: Server, stack: ExitStack) -> None:
        self._target, self._stack = target, stack
        self._says: list[tuple[str, bytes]] = []
        self.all: list[socket.socket] = []

    def silent(self, source: str) -> None:
        self._says += [(source, b"")] * 12

    def forgers(self, source: str) -> None:
        """They have read its replication id, as anybody may who may ask for INFO."""
        known_by = str(self._target.client().info("replication")["master_replid"]).encode()
        self._says += [(source, pack(b"PING") + pack(b"AUTH", b"x") + pack(b"PSYNC", known_by, b"1"))] * 2

    def come(self, port: int) -> None:
        for source, words in self._says:
            connection = socket.create_connection((NEXT_DOOR, port), timeout=60, source_address=(source, 0))
            self.all.append(self._stack.enter_context(connection))
            connection.sendall(words)

    def heard(self) -> bytes:
        """All of them together, until each was hung up on."""
        return b"".join(map(_everything, self.all))


def _everything(connection: socket.socket) -> bytes:
    heard = b""
    try:
        while chunk := connection.recv(1 << 16):
            heard += chunk
    except ConnectionResetError:
        pass
    return heard


@pytest.fixture
def target(binary: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server with data of its own, beside a backup of what it held before."""
    server = start_server(binary)
    server.client().mset(BACKED_UP)
    take(server, tmp_path)
    server.client().flushall()
    server.client().set("other", "x")
    return server


def is_restored(target: Server) -> bool:
    client = target.client()
    keys = list(BACKED_UP)
    return role(target) == "master" and client.dbsize() == len(keys) and client.mget(keys) == [b"secret"] * len(keys)


@pytest.fixture
def crowd(target: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    with ExitStack() as stack:
        made = Crowd(target, stack)

        class Visited(Primary):
            def __init__(self, bind: str, port: int) -> None:
                super().__init__(bind, port)
                made.come(self.port)

        monkeypatch.setattr(replicate, "Primary", Visited)
        yield made


@pytest.mark.parametrize("source", [NEXT_DOOR, ELSEWHERE])
def test_who_says_nothing_does_not_keep_the_target_out(
    source: str, crowd: Crowd, target: Server, tmp_path: Path
) -> None:
    crowd.silent(source)
    assert mirror(target, tmp_path)["way"] == "replication"
    assert is_restored(target)
    assert crowd.heard() == b""


@pytest.mark.parametrize("source", [NEXT_DOOR, ELSEWHERE])
def test_a_forger_is_given_no_byte_of_data_and_the_target_all(
    source: str, crowd: Crowd, target: Server, tmp_path: Path
) -> None:
    crowd.forgers(source)
    assert mirror(target, tmp_path)["way"] == "replication"
    assert is_restored(target)
    heard = crowd.heard()
    assert len(crowd.all) == 2
    assert b"$" not in heard
    assert b"REDIS" not in heard
    assert b"FULLRESYNC" not in heard
    assert target.client().config_get("masterauth") == {"masterauth": ""}


def test_without_a_password_the_target_itself_tells_a_forger_from_it(
    crowd: Crowd, target: Server, tmp_path: Path
) -> None:
    """Our user may set none there."""
    crowd.forgers(NEXT_DOOR)
    settings = settings_for(target, tmp_path, **limited(target, "-config", "+config|get"))
    assert restore(settings, RestoreArguments(name="latest", mode="mirror"), silent)["way"] == "replication"
    assert is_restored(target)
    heard = crowd.heard()
    assert b"FULLRESYNC" in heard
    assert b"$" not in heard


def test_a_forger_who_shows_another_password_than_the_targets_own_gets_nothing(
    crowd: Crowd, target: Server, tmp_path: Path
) -> None:
    target.client().config_set("masterauth", "its own")
    crowd.forgers(NEXT_DOOR)
    assert mirror(target, tmp_path)["way"] == "replication"
    assert is_restored(target)
    assert b"FULLRESYNC" not in crowd.heard()
    assert target.client().config_get("masterauth") == {"masterauth": "its own"}


def test_a_target_that_does_not_come_while_others_do_is_a_primary_again_at_once(
    crowd: Crowd, target: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets its data key by key, for which it must take writes; nothing that the crowd does puts that off."""
    monkeypatch.setattr(handover, "COMING_SECONDS", 0.5)

    class Unseen(replicate.Primary):  # type: ignore[name-defined, misc]
        def __init__(self, bind: str, port: int) -> None:
            super().__init__(bind, port)
            self.port = free_port()

    monkeypatch.setattr(replicate, "Primary", Unseen)
    crowd.silent(ELSEWHERE)
    crowd.silent(NEXT_DOOR)
    crowd.forgers(NEXT_DOOR)
    report = mirror(target, tmp_path)
    assert (report["way"], is_restored(target)) == ("keys", True)
    assert f"somebody came from {ELSEWHERE}" in report["reason"]
    assert b"$" not in crowd.heard()


def test_a_target_behind_nat_is_let_in_where_that_is_said(
    target: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We reach it at one address, and it comes from another."""
    monkeypatch.setattr(handover, "COMING_SECONDS", 1.5)
    known = {"mirror_from": "192.0.2.0/24"}
    arguments = RestoreArguments(name="latest", mode="mirror")
    report = restore(settings_for(target, tmp_path, **known), arguments, silent)
    assert (report["way"], role(target)) == ("keys", "master")
    assert (
        "somebody came from 127.0.0.1, where we do not reach it: if that is the target, see MIRROR_FROM"
        in (report["reason"])
    )
    monkeypatch.undo()
    known = {"mirror_from": "192.0.2.0/24,127.0.0.1"}
    assert restore(settings_for(target, tmp_path, **known), arguments, silent)["way"] == "replication"

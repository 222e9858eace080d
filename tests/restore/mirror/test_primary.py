"""For a moment a primary: one replica is let in, it proves that it is the target, and gets the file; nobody else gets a byte."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from ipaddress import ip_network

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.conftest import StartServer
from tests.support.backups import asking, eventually, unlocked
from tests.support.servers import Binary, Server, free_port
from tests.support.states import assert_same, state
from worker.config.fields import Networks
from worker.errors import ArtifactError, TargetError
from worker.progress import silent
from worker.restore.mirror.handover import File, Handover
from worker.restore.mirror.primary import PING_SECONDS, NobodyCameError, Primary
from worker.restore.mirror.promotion import Demotion
from worker.restore.mirror.visitors import MOST_OF_AN_ADDRESS, READ_BYTES, Expected, Visitor
from worker.server.endpoint import TARGET, Endpoint
from worker.server.wire import pack

ID, ANOTHER = "a" * 40, "b" * 40
HERE = (ip_network("127.0.0.1"),)
FULL = b"+FULLRESYNC %b 0\r\n$5\r\n"


@pytest.fixture
def primary() -> Iterator[Primary]:
    with Primary("127.0.0.1", 0) as made:
        yield made


def expected(networks: Networks = HERE) -> Expected:
    return Expected(networks, ID)


def yes() -> bool:
    """What the target says when it is the one who was let in."""
    return True


def comes(primary: Primary, *commands: tuple[bytes, ...], source: str = "127.0.0.1") -> socket.socket:
    """Somebody who connects and sends all this at once, as Redis 6.2 and newer do."""
    visitor = socket.create_connection(("127.0.0.1", primary.port), timeout=10, source_address=(source, 0))
    visitor.sendall(b"".join(pack(*command) for command in commands))
    return visitor


def everything(visitor: socket.socket) -> bytes:
    """What it hears until it is hung up on."""
    heard = b""
    while chunk := visitor.recv(1000):
        heard += chunk
    return heard


HELLO = ((b"PING",), (b"AUTH", b"secret"), (b"REPLCONF", b"listening-port", b"6379"), (b"replconf", b"capa", b"eof"))


def test_a_replica_is_greeted_and_given_the_file(primary: Primary) -> None:
    with comes(primary, *HELLO, (b"PSYNC", ID.encode(), b"1")) as replica:
        primary.let_in(expected(), yes, 5)
        assert list(primary.send(5, iter([b"RE", b"DIS"]))) == [2, 5]
        primary.keep()
        greeting = b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n" + FULL % primary.replication_id.encode() + b"REDIS" + pack(b"PING")
        assert replica.recv(len(greeting), socket.MSG_WAITALL) == greeting


STRANGERS = {
    "it names no id": (*HELLO, (b"PSYNC", b"?", b"-1")),
    "it names another id": (*HELLO, (b"PSYNC", ANOTHER.encode(), b"1")),
    "it wants SYNC": ((b"SYNC",),),
    "it is a client": ((b"GET", b"key"), (b"CONFIG", b"GET", b"*")),
}


@pytest.mark.parametrize("commands", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_given_nothing_and_does_not_keep_the_target_out(
    commands: tuple[tuple[bytes, ...], ...], primary: Primary
) -> None:
    with comes(primary, *commands) as stranger, comes(primary, (b"PSYNC", ID.encode(), b"1")) as replica:
        primary.let_in(expected(), yes, 5)
        list(primary.send(5, iter([b"REDIS"])))
        assert b"FULLRESYNC" not in everything(stranger)
        assert replica.recv(1000).startswith(b"+FULLRESYNC")


NOISE = {
    "no protocol": b"*9999999999999\r\n",
    "half a command": b"*2\r\n$5\r\nPS",
    "nothing": b"",
    "inline": b"PSYNC x 1\r\n",
    "an id left out": b"*1\r\n$5\r\nPSYNC\r\n",
    "an id of nothing": b"*2\r\n$5\r\nPSYNC\r\n$-1\r\n",
    "a number for a name": b"*1\r\n:1\r\n",
    "more than any memory": b"*4294967295\r\n",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_is_hung_up_on(noise: bytes, primary: Primary) -> None:
    with socket.create_connection(("127.0.0.1", primary.port), timeout=10) as stranger:
        stranger.sendall(noise)
        with pytest.raises(NobodyCameError):
            primary.let_in(expected(), yes, 0.2)
        assert b"FULLRESYNC" not in everything(stranger)


RIGHT = (b"PSYNC", ID.encode(), b"1")


def test_who_says_nothing_keeps_nobody_waiting(primary: Primary) -> None:
    """Also where a few of them are heard at a time, and they are there first."""
    with ExitStack() as stack:
        silent_ones = [stack.enter_context(comes(primary)) for _ in range(3 * MOST_OF_AN_ADDRESS)]
        replica = stack.enter_context(comes(primary, RIGHT))
        primary.let_in(expected(), yes, 60)
        list(primary.send(5, iter([b"REDIS"])))
        assert replica.recv(1000).startswith(b"+FULLRESYNC")
        assert [everything(one) for one in silent_ones] == [b""] * len(silent_ones)


def test_however_many_come_one_after_the_other_there_is_one_deadline(primary: Primary) -> None:
    """Each comes again as soon as it is hung up on."""
    came, over = 0, threading.Event()

    def again_and_again() -> None:
        nonlocal came
        with suppress(OSError):
            while not over.is_set() and came < 100_000:
                came += 1
                with comes(primary, (b"GET", b"key"), (b"PSYNC", ANOTHER.encode(), b"1")) as one:
                    everything(one)

    thread = threading.Thread(target=again_and_again)
    thread.start()
    with pytest.raises(NobodyCameError):
        primary.let_in(expected(), yes, 0.3)
    over.set()
    primary.close()
    thread.join()
    assert 1 < came < 100_000


def test_of_one_address_few_are_heard_and_the_oldest_goes(primary: Primary) -> None:
    with ExitStack() as stack:
        oldest, *others = [stack.enter_context(comes(primary)) for _ in range(MOST_OF_AN_ADDRESS + 1)]
        thread = threading.Thread(target=lambda: primary.let_in(expected(), yes, 60))
        thread.start()
        assert everything(oldest) == b""
        others[0].sendall(pack(*RIGHT))
        assert others[0].recv(1000).startswith(b"+FULLRESYNC")
        thread.join()


def test_who_comes_from_elsewhere_is_not_listened_to_and_named(primary: Primary) -> None:
    with comes(primary, RIGHT, source="127.0.0.9") as stranger:
        with pytest.raises(NobodyCameError) as caught:
            primary.let_in(expected(), yes, 0.2)
        with pytest.raises(ConnectionResetError):
            everything(stranger)
    assert caught.value.turned_away == "127.0.0.9"


def test_where_it_comes_from_can_be_said(primary: Primary) -> None:
    with comes(primary, RIGHT, source="127.0.0.9") as replica:
        primary.let_in(expected((ip_network("127.0.0.8/31"),)), yes, 5)
        assert replica.recv(1000).startswith(b"+FULLRESYNC")


def test_whom_the_target_does_not_know_of_is_given_nothing(primary: Primary) -> None:
    """One who has read its id comes first."""
    answers = iter([False, True])
    with comes(primary, RIGHT) as forger, comes(primary, RIGHT) as replica:
        primary.let_in(expected(), lambda: next(answers), 5)
        list(primary.send(5, iter([b"REDIS"])))
        told = FULL % primary.replication_id.encode() + b"REDIS"
        assert replica.recv(len(told), socket.MSG_WAITALL) == told
        assert everything(forger) == told[: told.index(b"$")]


@pytest.mark.parametrize("shown", [(), ((b"AUTH", b"wrong"),), ((b"AUTH", b"wrong"), (b"AUTH", b"right", b"no"))])
def test_who_does_not_show_the_password_is_not_even_asked_about(
    shown: tuple[tuple[bytes, ...], ...], primary: Primary
) -> None:
    known = replace(expected(), password=b"right")
    with comes(primary, *shown, RIGHT) as forger, comes(primary, (b"AUTH", b"user", b"right"), RIGHT) as replica:
        primary.let_in(known, yes, 5)
        assert b"+FULLRESYNC" in replica.recv(1000)
        assert b"FULLRESYNC" not in everything(forger)


def test_nobody_who_comes_is_told_in_time(primary: Primary) -> None:
    with pytest.raises(NobodyCameError):
        primary.let_in(expected(), yes, 0.1)


def test_after_the_replica_nobody_can_connect(primary: Primary) -> None:
    with comes(primary, (b"PSYNC", ID.encode(), b"1")):
        primary.let_in(expected(), yes, 5)
        with pytest.raises(ConnectionRefusedError):
            comes(primary, (b"PING",))


def test_after_the_end_the_port_is_free() -> None:
    port = free_port()
    for _ in range(2):
        with Primary("127.0.0.1", port) as primary:
            assert primary.port == port
            comes(primary, (b"PING",)).close()
    with pytest.raises(ConnectionRefusedError), closing(socket.create_connection(("127.0.0.1", port))):
        pass


def test_a_replica_that_hangs_up_is_noticed(primary: Primary) -> None:
    replica = comes(primary, (b"PSYNC", ID.encode(), b"1"))
    primary.let_in(expected(), yes, 5)
    primary.keep()
    replica.close()

    def noticed() -> bool:
        try:
            primary.keep()
        except (RedisConnectionError, OSError):
            return True
        return False

    assert eventually(noticed)


def test_a_replica_hears_from_us_once_a_second_and_no_more_often(primary: Primary) -> None:
    with comes(primary, RIGHT) as replica:
        primary.let_in(expected(), yes, 5)
        replica.recv(1000)
        began = time.monotonic()
        for _ in range(50):
            primary.keep()
        seconds = time.monotonic() - began
        primary.close()
        assert 1 <= everything(replica).count(b"PING") <= 1 + seconds // PING_SECONDS


def test_who_reads_none_of_the_answers_keeps_nobody_waiting() -> None:
    """A visitor may say so much that what it is answered does not fit on the way to it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        visitor = Visitor(ours, "127.0.0.1")
        theirs.sendall(b":1\r\n" * (READ_BYTES // 4))
        with pytest.raises(BlockingIOError):
            visitor.hear(expected())


def test_before_anybody_came_there_is_nobody_to_send_to(primary: Primary) -> None:
    with pytest.raises(RedisConnectionError, match="no replica"):
        primary.keep()


def test_two_mirrors_have_two_ids(primary: Primary) -> None:
    with Primary("127.0.0.1", 0) as other:
        assert primary.replication_id != other.replication_id
        assert len(primary.replication_id) == 40


def test_it_listens_where_it_is_told() -> None:
    with Primary("::1", 0) as primary, socket.create_connection(("::1", primary.port)):
        pass
    with pytest.raises(OSError, match="assign"):
        Primary("192.0.2.1", 0)


def handed(server: Server, file: File) -> tuple[Exception, Demotion]:
    """Hand a server a file of which something is wrong: what is said of it."""
    asked = Endpoint(server.url, TARGET)
    with Primary("127.0.0.1", 0) as primary:
        keys = sum(server.client(db).dbsize() for db in range(4))
        demotion = Demotion(
            run=None,
            target=None,
            address=asked.address,
            host="127.0.0.1",
            port=primary.port,
            replication_id=primary.replication_id,
            keys=keys,
            expiring=0,
        )
        handover = Handover(demotion, primary, HERE, unlocked(asked), silent)
        with pytest.raises((TargetError, ArtifactError)) as caught:
            handover.run(file, iter(()))
        assert handover.ended == (server.process.poll() is None)
        return caught.value, demotion


def full(binary: Binary, start_server: StartServer) -> Server:
    server = start_server(binary)
    server.client().mset({f"key:{number}": "x" for number in range(100)})
    return server


@pytest.mark.parametrize("chunks", [[b"REDIS0009"], [b"REDIS0009" * 300], []], ids=["short", "long", "empty"])
def test_a_file_of_another_length_than_announced_changes_nothing(
    chunks: list[bytes], newest: Binary, start_server: StartServer
) -> None:
    server = full(newest, start_server)
    before = state(server)
    error, _ = handed(server, File(1000, iter(chunks), {}, {}))
    assert "has changed while it was read" in str(error)
    assert "is a primary again, and holds what it held before." in str(error)
    assert_same(server, before)
    assert server.client().info("replication")["role"] == "master"


def test_a_file_that_no_server_loads_is_told_as_what_it_did(binary: Binary, start_server: StartServer) -> None:
    """It cannot come to that, for the file is read to its end beforehand; should it, nothing is glossed over."""
    server = full(binary, start_server)
    error, _ = handed(server, File(1000, iter([b"\x89PNG" * 250]), {}, {}))
    if server.process.poll() is None:
        assert server.client().info("replication")["role"] == "master"
        assert ("holds what it held before" in str(error)) == (server.client().dbsize() == 100)
        assert ("not all of what it held before is there" in str(error)) == (server.client().dbsize() < 100)
    else:
        assert "It does not answer" in str(error)


def test_a_target_that_holds_something_else_afterwards_is_told(newest: Binary, start_server: StartServer) -> None:
    server, source = full(newest, start_server), start_server(newest)
    source.client().set("k", "v")
    source.client().save()
    dump = (source.folder / "dump.rdb").read_bytes()
    error, _ = handed(server, File(len(dump), iter([dump]), {0: 3}, {0: 1}))
    assert "holds 1 keys in database 0, not 3" in str(error)
    assert str(error).endswith("is a primary again, and holds the backup.")
    assert_same(server, source)


def test_somebody_elses_replicaof_in_between_is_no_success(newest: Binary, start_server: StartServer) -> None:
    server = full(newest, start_server)
    before = state(server)

    def slowly() -> Iterator[bytes]:
        yield b"REDIS0009"
        asking(server).execute_command("REPLICAOF", "NO", "ONE")
        for _ in range(1000):
            yield bytes(1 << 20)

    error, _ = handed(server, File(1000 << 20, slowly(), {}, {}))
    assert "is a primary again, and holds what it held before." in str(error)
    assert_same(server, before)


def test_while_it_waits_the_replica_may_be_slow_to_speak(primary: Primary) -> None:
    def slow() -> None:
        with socket.create_connection(("127.0.0.1", primary.port), timeout=10) as replica:
            for byte in pack(b"PSYNC", ID.encode(), b"1"):
                replica.sendall(bytes([byte]))
            everything(replica)

    thread = threading.Thread(target=slow)
    thread.start()
    primary.let_in(expected(), yes, 5)
    list(primary.send(5, iter([b"REDIS"])))
    primary.close()
    thread.join()

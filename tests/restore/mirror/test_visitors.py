"""Who may come in by what was said on a connection, and who is hung up on: each case by itself, without a target."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from worker.restore.mirror.visitors import MOST_OF_AN_ADDRESS, READ_BYTES, Expected, StrangerError, Visitor, Visitors
from worker.server.wire import pack

HERE, NEXT_DOOR = "127.0.0.1", "127.0.0.9"
EXPECTED = Expected((ip_network("127.0.0.0/28"),), "its-id")
PSYNC = pack(b"PSYNC", b"its-id", b"1")
LONG = 60.0


class Gone(socket.socket):
    """A listener whose first two callers have hung up before anybody answered."""

    left: list[Exception]

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self.left:
            raise self.left.pop()
        return super().accept()


@pytest.fixture
def listener() -> Iterator[Gone]:
    with Gone(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.left = []
        listener.bind((HERE, 0))
        listener.listen(20)
        yield listener


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def come(stack: ExitStack, listener: socket.socket, says: bytes = b"", source: str = HERE) -> socket.socket:
    visitor = socket.create_connection(listener.getsockname(), timeout=60, source_address=(source, 0))
    stack.enter_context(visitor)
    visitor.sendall(says)
    return visitor


def is_open(visitor: socket.socket) -> bool:
    """Whether nobody has hung up on it; nothing was said to it."""
    visitor.setblocking(False)
    try:
        assert visitor.recv(1) == b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False


def everything(visitor: socket.socket) -> bytes:
    """Until it was hung up on."""
    heard = b""
    while chunk := visitor.recv(1 << 16):
        heard += chunk
    return heard


def test_who_asks_as_the_target_would_is_let_in_and_all_others_are_hung_up_on(listener: Gone, stack: ExitStack) -> None:
    visitors = Visitors(listener, EXPECTED)
    silent = come(stack, listener)
    words = pack(b"ping") + pack(b"AUTH", b"user", b"x") + pack(b"REPLCONF", b"a", b"b") + pack(b"GET", b"a") + PSYNC
    target = come(stack, listener, words)
    asking = visitors.asking(LONG)
    connection = next(asking)
    stack.enter_context(connection)
    assert is_open(silent)
    asking.close()
    assert not is_open(silent)
    connection.sendall(b"+FULLRESYNC")
    connection.close()
    assert everything(target) == b"+PONG\r\n+OK\r\n+OK\r\n-ERR only for a replica\r\n+FULLRESYNC"
    assert (visitors.turned_away, listener.getblocking()) == (None, False)


@pytest.mark.parametrize(
    ("words", "password", "let_in"),
    [
        (PSYNC, None, True),
        (pack(b"AUTH", b"any") + PSYNC, None, True),
        (pack(b"AUTH", b"right") + PSYNC, b"right", True),
        (pack(b"AUTH", b"user", b"right") + PSYNC, b"right", True),
        (pack(b"AUTH", b"right", b"wrong") + PSYNC, b"right", False),
        (PSYNC, b"right", False),
        (pack(b"PSYNC", b"another-id", b"1"), None, False),
        (pack(b"PSYNC", b"1", b"its-id"), None, False),
        (pack(b"PSYNC", b"another-id", b"1"), b"", False),
        (b"+PSYNC\r\n", None, None),
        (pack(b"PING"), None, None),
        (PSYNC[:-1], None, None),
    ],
    ids=range(12),
)
def test_a_visitor_is_known_by_the_id_and_the_password(
    words: bytes, password: bytes | None, let_in: bool | None, stack: ExitStack
) -> None:
    there, here = map(stack.enter_context, socket.socketpair())
    visitor = Visitor(here, HERE)
    there.sendall(words)
    expected = Expected(EXPECTED.networks, "its-id", password)
    if let_in is False:
        with pytest.raises(StrangerError):
            visitor.hear(expected)
    else:
        assert visitor.hear(expected) is bool(let_in)
    with pytest.raises(BlockingIOError):
        visitor.hear(expected)


def test_who_says_more_than_anybody_needs_to_is_a_stranger(stack: ExitStack) -> None:
    there, here = map(stack.enter_context, socket.socketpair())
    visitor = Visitor(here, HERE)
    for part in (b"$999999\r\n", *[b"x" * 1000] * ((READ_BYTES - 9) // 1000), b"x" * ((READ_BYTES - 9) % 1000)):
        there.sendall(part)
        assert not visitor.hear(EXPECTED)
    there.sendall(b"x")
    with pytest.raises(StrangerError):
        visitor.hear(EXPECTED)
    there.close()
    with pytest.raises(StrangerError):
        Visitor(here, HERE).hear(EXPECTED)


def test_who_comes_from_elsewhere_is_turned_away_and_told_of(listener: Gone, stack: ExitStack) -> None:
    visitors = Visitors(listener, Expected((ip_network("127.0.0.9/32"), ip_network("10.0.0.0/8")), "its-id"))
    stranger = come(stack, listener)
    come(stack, listener, PSYNC, NEXT_DOOR)
    asking = visitors.asking(LONG)
    stack.enter_context(next(asking))
    assert (visitors.turned_away, is_open(stranger)) == (HERE, False)
    asking.close()


def test_of_one_address_the_oldest_makes_room_for_one_more(listener: Gone, stack: ExitStack) -> None:
    silent = [come(stack, listener) for _ in range(MOST_OF_AN_ADDRESS)]
    come(stack, listener, PSYNC, NEXT_DOOR)
    asking = Visitors(listener, EXPECTED).asking(LONG)
    stack.enter_context(next(asking))
    assert [*map(is_open, silent)] == [True] * MOST_OF_AN_ADDRESS
    # The oldest says something in the very moment in which it is hung up on.
    come(stack, listener, PSYNC)
    silent[0].sendall(pack(b"PING"))
    stack.enter_context(next(asking))
    assert [*map(is_open, silent)] == [False, *[True] * (MOST_OF_AN_ADDRESS - 1)]
    asking.close()


def test_who_is_gone_before_anybody_answers_ends_nothing(listener: Gone, stack: ExitStack) -> None:
    listener.left = [BlockingIOError(), ConnectionAbortedError()]
    come(stack, listener, PSYNC)
    asking = Visitors(listener, EXPECTED).asking(LONG)
    stack.enter_context(next(asking))
    assert listener.left == []
    asking.close()


def test_noise_is_hung_up_on_and_others_are_heard(listener: Gone, stack: ExitStack) -> None:
    noise = [come(stack, listener, words) for words in (b"GET / HTTP/1.1\r\n\r\n", pack(b"PSYNC"), b"*1\r\n:1\r\n")]
    come(stack, listener, PSYNC, NEXT_DOOR)
    asking = Visitors(listener, EXPECTED).asking(LONG)
    stack.enter_context(next(asking))
    assert [*map(is_open, noise)] == [False] * 3
    asking.close()


def test_nobody_is_let_in_after_the_time(listener: Gone, stack: ExitStack) -> None:
    waiting = come(stack, listener, PSYNC)
    assert [*Visitors(listener, EXPECTED).asking(0)] == []
    assert [*Visitors(listener, Expected((), "its-id")).asking(0.05)] == []
    assert not is_open(waiting)

"""Each way in which a Redis can fail us, as one sentence that says what to do and holds no secret."""

import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from tests.conftest import StartServer
from tests.support.processes import CANARY, command, with_password
from tests.support.servers import Binary, free_port
from worker.errors import (
    BackupSystemError,
    SourceError,
    SourceUnavailableError,
    TargetError,
    TargetUnavailableError,
    TemporaryError,
    UsageError,
)
from worker.server.endpoint import BROKER, SOURCE, TARGET, Endpoint, Role
from worker.server.info import read_facts
from worker.server.wire import Wire


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does with each connection what it is told; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        answer(connection)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def saying(words: str) -> Callable[[socket.socket], None]:
    """Answer every command with this error."""

    def answer(connection: socket.socket) -> None:
        while connection.recv(4096):
            connection.sendall(f"-{words}\r\n".encode())

    return answer


def failure(url: str, role: Role = SOURCE, ask: Callable[[Endpoint], object] = read_facts) -> BackupSystemError:
    """What becomes of it when this Redis is asked for something."""
    with pytest.raises(BackupSystemError) as caught:
        ask(Endpoint(url, role))
    error = caught.value
    said = str(error)
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", said)
    assert CANARY not in said
    assert error.__suppress_context__, "a traceback must not show the URL by way of what it came from"
    return error


def ping(endpoint: Endpoint) -> None:
    """The way of everything in bulk: a bare connection."""
    with endpoint.translated("being asked"), Wire(endpoint) as wire:
        wire.ask(b"PING")


@pytest.mark.parametrize("ask", [read_facts, ping])
def test_a_wrong_password_is_told_as_such(
    ask: Callable[[Endpoint], object], binary: Binary, start_server: StartServer
) -> None:
    server = start_server(binary, password="right")
    for url in (with_password(server), with_password(server, user="nobody"), f"redis://127.0.0.1:{server.port}/0"):
        error = failure(url, ask=ask)
        assert str(error) == (
            f"The source at 127.0.0.1:{server.port} refuses the user name or password: check REDIS_URL."
        )
        assert type(error) is SourceError


def test_a_user_who_is_switched_off_is_told_as_a_wrong_password(newest: Binary, start_server: StartServer) -> None:
    server = start_server(newest)
    command(server, "ACL", "SETUSER", "gone", "off", f">{CANARY}", "+@all", "~*")
    assert "refuses the user name or password" in str(failure(with_password(server, user="gone")))


@pytest.mark.parametrize("ask", [read_facts, ping])
def test_a_missing_right_is_told_with_what_is_forbidden(
    ask: Callable[[Endpoint], object], binary: Binary, start_server: StartServer
) -> None:
    server = start_server(binary)
    command(server, "ACL", "SETUSER", "poor", "on", f">{CANARY}", "~*", "+select")
    error = failure(with_password(server, user="poor"), ask=ask)
    assert type(error) is SourceError
    assert "does not allow" in str(error)
    assert "permissions to run" in str(error)


@pytest.mark.parametrize("ask", [read_facts, ping])
def test_nobody_there_can_be_tried_again(ask: Callable[[Endpoint], object]) -> None:
    port = free_port()
    error = failure(f"redis://:{CANARY}@127.0.0.1:{port}/0", ask=ask)
    assert str(error) == (
        f"The source at 127.0.0.1:{port} cannot be reached (Connection refused): is it running, and is REDIS_URL right?"
    )
    assert isinstance(error, SourceUnavailableError)
    assert isinstance(error, TemporaryError)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"redis://:{CANARY}@no-such-host.invalid:6379/0", "The source at no-such-host.invalid:6379 cannot be reached"),
        (f"unix://:{CANARY}@/nowhere/redis.sock", "The source at /nowhere/redis.sock cannot be reached"),
    ],
)
def test_an_address_that_is_not_there_is_told(url: str, words: str) -> None:
    assert str(failure(url)).startswith(words)


@pytest.mark.parametrize("ask", [read_facts, ping])
@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("LOADING Redis is loading the dataset in memory", SourceUnavailableError, "is still loading its data: try"),
        ("MASTERDOWN Link with MASTER is down", SourceUnavailableError, "is a replica without a link to its primary"),
        ("NOMASTERLINK Can't SYNC", SourceUnavailableError, "is a replica without a link to its primary"),
        ("NOPERM this user may not", SourceError, "does not allow"),
        ("NOAUTH Authentication required.", SourceError, "refuses the user name or password"),
        ("WRONGPASS invalid username-password pair", SourceError, "refuses the user name or password"),
        ("ERR unknown command", SourceError, "answered 'unknown command|answered 'ERR unknown command"),
    ],
)
def test_an_error_reply_has_its_sentence(
    ask: Callable[[Endpoint], object], words: str, kind: type[Exception], said: str
) -> None:
    with answering(saying(words)) as port:
        error = failure(f"redis://127.0.0.1:{port}/0", ask=ask)
    assert type(error) is kind
    assert re.search(said, str(error)), error


@pytest.mark.parametrize("ask", [read_facts, ping])
def test_a_server_that_hangs_up_can_be_tried_again(ask: Callable[[Endpoint], object]) -> None:
    with answering(lambda connection: connection.close()) as port:
        error = failure(f"redis://127.0.0.1:{port}/0", ask=ask)
    assert isinstance(error, SourceUnavailableError)


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    asked = threading.Event()

    def hang(_: socket.socket) -> None:
        asked.wait()

    with answering(hang) as port:
        error = failure(f"redis://:{CANARY}@127.0.0.1:{port}/0?socket_timeout=0.2")
        asked.set()
    assert isinstance(error, SourceUnavailableError)
    assert "did not answer in time while asking for INFO" in str(error)


def test_garbage_is_an_error_of_ours() -> None:
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert isinstance(failure(f"redis://127.0.0.1:{port}/0"), SourceError)


def _https(certificate: Path) -> Callable[[socket.socket], None]:
    """A server whose certificate nobody has vouched for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(100)
        except OSError:
            return

    return answer


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    names = ["-subj", "/CN=localhost", "-keyout", str(pem), "-out", str(tmp_path / "cert.pem")]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run(made, check=True, capture_output=True)
    pem.write_text(pem.read_text() + (tmp_path / "cert.pem").read_text())
    with answering(_https(pem)) as port:
        error = failure(f"rediss://:{CANARY}@127.0.0.1:{port}/0")
    assert isinstance(error, SourceUnavailableError)
    assert re.search(
        r"a certificate that nobody known here has signed \(self.signed certificate\): name who", str(error)
    )


def test_a_port_that_speaks_no_tls_is_told() -> None:
    with answering(lambda connection: connection.sendall(b"-ERR what is that\r\n")) as port:
        error = failure(f"rediss://:{CANARY}@127.0.0.1:{port}/0")
    assert "does not speak TLS: write redis:// in place of rediss:// in REDIS_URL" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{CANARY}@host:port/0",
        f"ftp://:{CANARY}@host",
        f"{CANARY}",
        f"redis://:{CANARY}@host:6379/0?socket_timeout=soon",
        f"redis://:{CANARY}@host:6379/0?no_such_option=1",
        f"rediss://:{CANARY}@host:6379/0?ssl_ca_certs=/nowhere/ca.pem",
        f"rediss://:{CANARY}@host:6379/0?ssl_cert_reqs=perhaps",
    ],
)
@pytest.mark.parametrize("role", [SOURCE, TARGET, BROKER])
def test_a_url_that_is_none_is_a_fault_of_the_setting(url: str, role: Role) -> None:
    with pytest.raises(UsageError, match=f"^The setting {role.setting} ") as caught:
        Endpoint(url, role)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("role", "name", "setting", "kind"),
    [
        (SOURCE, "source", "REDIS_URL", SourceUnavailableError),
        (TARGET, "target", "REDIS_URL", TargetUnavailableError),
        (BROKER, "broker", "CELERY_BROKER_URL", TemporaryError),
    ],
)
def test_an_error_names_the_role_and_its_setting(role: Role, name: str, setting: str, kind: type[Exception]) -> None:
    error = failure(f"redis://127.0.0.1:{free_port()}/0", role)
    assert str(error).startswith(f"The {name} at ")
    assert setting in str(error)
    assert type(error) is kind


def test_an_error_that_is_not_the_connections_own_is_a_target_error_at_a_target() -> None:
    with answering(saying("OOM command not allowed")) as port:
        error = failure(f"redis://127.0.0.1:{port}/0", TARGET, ping)
    assert type(error) is TargetError
    assert "'OOM command not allowed' while being asked" in str(error)


def test_an_unforeseen_redis_error_gives_only_its_kind() -> None:
    endpoint = Endpoint("redis://127.0.0.1:6379/0", SOURCE)
    said = r"^The source at 127\.0\.0\.1:6379 failed while trying: RedisError\.$"
    with pytest.raises(SourceError, match=said), endpoint.translated("trying"):
        raise RedisError(f"redis://:{CANARY}@127.0.0.1")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"redis://user:{CANARY}@host:6380/2", "host:6380"),
        (f"redis://:{CANARY}@host", "host:6379"),
        ("redis://localhost", "localhost:6379"),
        (f"unix://:{CANARY}@/run/redis.sock?db=2", "/run/redis.sock"),
        (f"rediss://:{CANARY}@[::1]:6380/0", "[::1]:6380"),
    ],
)
def test_an_address_holds_no_secret(url: str, address: str) -> None:
    assert Endpoint(url, SOURCE).address == address


@pytest.mark.parametrize(
    ("url", "db"), [("redis://host/2", 2), ("redis://host", 0), ("redis://host?db=3", 3), ("unix:///s?db=4", 4)]
)
def test_the_database_of_the_url_is_known(url: str, db: int) -> None:
    assert Endpoint(url, SOURCE).default_db == db


@pytest.mark.parametrize(("url", "user"), [("redis://app:secret@h", "app"), ("redis://:secret@h", "default")])
def test_the_user_is_the_one_of_the_url(url: str, user: str) -> None:
    assert Endpoint(url, SOURCE).user == user


def test_the_database_that_is_asked_for_is_the_one_that_answers(start_server: StartServer, newest: Binary) -> None:
    server = start_server(newest)
    server.client(3).set("key", "in three")
    with Wire(Endpoint(server.url, SOURCE), 3) as wire:
        assert wire.ask(b"GET", b"key") == b"in three"
    with Wire(Endpoint(server.url, SOURCE)) as wire:
        assert wire.ask(b"GET", b"key") is None

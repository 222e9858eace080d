"""What is said to rclone over its socket and what its answers mean, with a server of ours in its place."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.storage.bucket import Thing
from worker.storage.interface import READ_BYTES
from worker.storage.rclone.copying import Sum, copied
from worker.storage.rclone.daemon import Daemon, RefusedError, SilentError
from worker.storage.rclone.link import Link
from worker.storage.rclone.process import Process
from worker.storage.rclone.reading import found, look, pieces
from worker.storage.rclone.refusals import translated
from worker.storage.rclone.remotes import Place

NAME, PLACE = "redis_backup_20231205_143022.rdb", "sftp://here/folder"
MODIFIED = "2023-12-05T14:30:22Z"


class Socket:
    """Answers one connection after another with these bytes, and keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path, self.answers, self.asked = str(path), list[bytes | None](), list[str]()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._silent: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while self.answers or not self.asked:
                connection, _ = self._listener.accept()
                self.asked.append(self._request(connection))
                if (answer := self.answers.pop(0)) is None:
                    self._silent.append(connection)
                else:
                    with connection:
                        connection.sendall(answer)

    def _request(self, connection: socket.socket) -> str:
        said = b""
        while b"\r\n\r\n" not in said:
            said += connection.recv(1 << 16)
        head, _, body = said.partition(b"\r\n\r\n")
        size = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        while len(body) < size:
            body += connection.recv(1 << 16)
        return (head + b"\r\n\r\n" + body).decode()

    def close(self) -> None:
        for open_one in (*self._silent, self._listener):
            open_one.close()


def answer(status: str, content: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        len(content),
        content,
    )


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[Socket]:
    made = Socket(tmp_path / "socket")
    yield made
    made.close()


@pytest.fixture
def daemon(rclone: Socket) -> Daemon:
    return Daemon(cast(Process, SimpleNamespace(socket=rclone.path, runs=True)))


def test_a_question_goes_out_in_json_and_its_answer_comes_back(rclone: Socket, daemon: Daemon) -> None:
    rclone.answers = [answer("200 OK", b'{"list": [1]}')]
    assert daemon.ask("operations/list", 20, fs="x", opt={"a": True}) == {"list": [1]}
    head, _, body = rclone.asked[0].partition("\r\n\r\n")
    assert (head.splitlines()[0], json.loads(body)) == (
        "POST /operations/list HTTP/1.1",
        {"fs": "x", "opt": {"a": True}},
    )
    assert {"Content-Type: application/json", "Connection: close"} <= {*head.splitlines()}


@pytest.mark.parametrize(("of", "ranges"), [(None, []), ((1, 8), ["Range: bytes=1-7"]), ((0, 7), ["Range: bytes=0-6"])])
def test_bytes_are_asked_for_from_a_place_on(
    of: tuple[int, int] | None, ranges: list[str], rclone: Socket, daemon: Daemon
) -> None:
    rclone.answers = [answer("206 Partial Content", b"content")]
    with daemon.get("[remote-x:a b]/ü.rdb", 20, of) as got:
        assert got.read() == b"content"
    lines = rclone.asked[0].splitlines()
    assert lines[0] == "GET /[remote-x:a%20b]/%C3%BC.rdb HTTP/1.1"
    assert [line for line in lines if line.startswith("Range")] == ranges


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"error": "in words"}', "in words"),
        (b"no JSON \xff", "no JSON \ufffd"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"[1]", "[1]"),
        (b"x" * 70_000, "x" * 65_536),
    ],
    ids=["said", "no JSON", "not said", "a list", "long"],
)
@pytest.mark.parametrize("status", ["300 Elsewhere", "404 Not Found", "500 Error"])
def test_a_refusal_has_its_words_and_its_number(
    status: str, content: bytes, text: str, rclone: Socket, daemon: Daemon
) -> None:
    rclone.answers = [answer(status, content)]
    with pytest.raises(RefusedError) as refused:
        daemon.ask("operations/list", 20)
    assert (refused.value.text, str(refused.value), refused.value.status) == (text, text, int(status[:3]))


@pytest.mark.parametrize(
    ("said", "late"),
    [(None, True), (b"", False), (b"nonsense\r\n\r\n", False), (answer("200 OK", b"{}")[:-1] + b"", False)],
    ids=["nothing", "the end", "nonsense", "half"],
)
def test_who_is_silent_may_be_late_or_gone(said: bytes | None, late: bool, rclone: Socket, daemon: Daemon) -> None:
    rclone.answers = [said]
    with pytest.raises(SilentError) as silent:
        daemon.ask("operations/list", 0.2 if late else 20)
    assert silent.value.late is late


def test_where_no_socket_is_nobody_answers(tmp_path: Path) -> None:
    nowhere = Daemon(cast(Process, SimpleNamespace(socket=str(tmp_path / "none"), runs=True)))
    with pytest.raises(SilentError) as silent:
        nowhere.ask("operations/list", 20)
    assert silent.value.late is False


# What failures mean.


@pytest.mark.parametrize(
    ("error", "name", "kind", "words"),
    [
        (RefusedError("Object NOT found", 500), NAME, NotFoundError, f"There is no file {NAME} in {PLACE}."),
        (RefusedError("object not found", 500), "", StorageError, f"{PLACE} is not there: make the folder"),
        (RefusedError("Permission denied", 500), "", StorageError, "does not let us write: the user there"),
        (RefusedError("unable to authenticate", 500), "", StorageError, "and SFTP_KEY_FILE or SFTP_PASSWORD."),
        (RefusedError("connection refused", 500), "", StorageUnavailableError, "cannot be reached"),
        (RefusedError("unexpected EOF", 500), "", StorageUnavailableError, "broke the connection off"),
        (RefusedError("secret", 500), NAME, StorageError, f"{PLACE} refuses to write, for a reason that is not known"),
        (SilentError(late=True), "", StorageUnavailableError, f"{PLACE} did not answer in time"),
        (SilentError(late=False), "", StorageUnavailableError, f"{PLACE} was given up, as rclone has ended"),
    ],
    ids=range(9),
)
def test_a_failure_is_told_in_our_words(error: Exception, name: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as told, translated(PLACE, "write", name):
        raise error
    assert words in str(told.value)
    assert type(told.value) is kind
    assert "secret" not in str(told.value)


# Reading, copying.


class Scripted:
    """A daemon that answers by a script: what it says to each method, in turn; the last again and again."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers, self.asked, self.told = answers, list[tuple[str, dict[str, Any]]](), set[str]()
        self.content: Callable[[int], HTTPResponse] | None = None

    def ask(self, method: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        assert seconds > 0
        self.asked.append((method, arguments))
        said = self.answers[method.rpartition("/")[2]]
        answer = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(answer, Exception):
            raise answer
        return cast(dict[str, Any], answer)

    def get(self, _: str, __: float, of: tuple[int, int] | None = None) -> HTTPResponse:
        assert self.content
        return self.content(of[0] if of else 0)

    def methods(self) -> list[str]:
        return [method.rpartition("/")[2] for method, _ in self.asked]


class ScriptedLink(Link):
    """To a folder of such a daemon."""

    def __init__(self, daemon: Scripted) -> None:
        super().__init__(PLACE, Place("remote", "/folder", {"type": "sftp"}), (0, 0))
        self._daemon = daemon

    def daemon(self) -> Daemon:
        return cast(Daemon, self._daemon)


class Content:
    """The rest of a file as it comes, some bytes at a time; then the line breaks."""

    def __init__(self, content: bytes, start: int, brings: int) -> None:
        self._rest, self.length, self._brings = content[start:], len(content) - start, brings

    def read(self, size: int) -> bytes:
        assert 0 < size <= READ_BYTES
        piece, self._rest = self._rest[: min(size, self._brings)], self._rest[min(size, self._brings) :]
        self._brings -= len(piece)
        return piece

    def close(self) -> None:
        pass

    def __enter__(self) -> "Content":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def item(size: int, modified: str = MODIFIED, *, is_dir: bool = False) -> dict[str, Any]:
    return {"item": {"Name": NAME, "Size": size, "ModTime": modified, "IsDir": is_dir}}


def seen(*said: Any) -> Thing:
    """What a look finds that is answered with these."""
    there = look(ScriptedLink(Scripted(stat=[*said])), NAME)
    assert there
    return there


def thing(size: int) -> Thing:
    return seen(item(size))


def reading(content: bytes, brings: int, **answers: list[Any]) -> tuple[ScriptedLink, list[int]]:
    """A link to that file, of which each answer brings so many bytes; and where each began."""
    daemon, starts = Scripted(**{"stat": [item(len(content))]} | answers), list[int]()

    def got(start: int) -> HTTPResponse:
        starts.append(start)
        return cast(HTTPResponse, Content(content, start, brings))

    daemon.content = got
    return ScriptedLink(daemon), starts


def test_what_breaks_off_is_taken_up_where_it_broke_off() -> None:
    link, starts = reading(b"0123456789", 3)
    assert b"".join(pieces(link, thing(10))) == b"0123456789"
    assert starts == [0, 3, 6, 9]
    link, starts = reading(b"0123456789", 100)
    assert (b"".join(pieces(link, thing(10), 4)), starts) == (b"456789", [4])
    assert (b"".join(pieces(link, thing(10), 10)), starts) == (b"", [4])


def test_who_brings_nothing_is_asked_a_few_times_more() -> None:
    link, starts = reading(b"0123456789", 0)
    assert b"".join(pieces(link, thing(10))) == b""
    assert starts == [0] * 6


@pytest.mark.parametrize("now", [item(9), item(10, "2023-12-05T14:30:23Z"), {"item": None}], ids=range(3))
def test_what_was_replaced_while_it_was_read_is_not_read_on(now: dict[str, Any]) -> None:
    link, _ = reading(b"0123456789", 3, stat=[now])
    with pytest.raises(NotFoundError, match="has been replaced meanwhile"):
        b"".join(pieces(link, thing(10)))
    with pytest.raises(NotFoundError, match="has been replaced meanwhile"):
        b"".join(pieces(link, thing(11)))


def test_a_folder_is_no_file_and_neither_is_nothing() -> None:
    for said in ({"item": None}, item(1, is_dir=True), RefusedError("object not found", 404)):
        link = ScriptedLink(Scripted(stat=[said]))
        assert look(link, NAME) is None
        with pytest.raises(NotFoundError, match=f"There is no file {NAME} in {PLACE}"):
            found(link, NAME)


def test_what_has_just_changed_has_no_version_yet() -> None:
    assert thing(7).version == f"{MODIFIED} 7"
    assert seen(item(7, "2999-01-01T00:00:00Z")).version is not None
    assert seen(item(7, datetime.now(UTC).isoformat())).version is None


def test_an_unavailable_place_is_asked_again_as_often_as_it_has_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.storage.rclone.link.HURRIED", (0,))
    gone = RefusedError("connection refused", 500)
    assert seen(gone, gone, item(7)).size == 7
    daemon = Scripted(stat=[gone])
    with pytest.raises(StorageUnavailableError):
        look(ScriptedLink(daemon), NAME)
    assert daemon.methods() == ["stat"] * 3
    with pytest.raises(StorageUnavailableError):
        ScriptedLink(daemon).ask_once("read", "stat")
    assert daemon.methods() == ["stat"] * 4
    for soon, times in ({}, 3), ({"soon": True}, 2):
        daemon = Scripted(stat=[gone])
        with pytest.raises(StorageUnavailableError):
            found(ScriptedLink(daemon), NAME, **soon)
        assert daemon.methods() == ["stat"] * times


def states(*finished: bool, success: bool = True) -> list[dict[str, Any]]:
    return [{"finished": is_over, "success": success, "error": "It failed."} for is_over in finished]


def copying(tmp_path: Path, daemon: Scripted, proofs: list[int]) -> str:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        summed = Sum(file, "md5")
        copied(cast(Daemon, daemon), {"srcFs": "x"}, summed, lambda: proofs.append(file.tell()))
        return summed.hex


def test_a_copy_is_proven_and_summed_up_while_it_goes_on(tmp_path: Path) -> None:
    proofs: list[int] = []
    daemon = Scripted(
        copyfile=[{"jobid": 3}], status=states(False, False, False, True), stats=[{"bytes": 2}, {"bytes": 5}, {}]
    )
    assert copying(tmp_path, daemon, proofs) == "9a0364b9e99bb480dd25e1f0284c8555"
    assert proofs == [0, 2, 5]
    assert daemon.asked[0] == ("operations/copyfile", {"_async": True, "srcFs": "x"})
    assert {str(arguments) for method, arguments in daemon.asked if "status" in method} == {"{'jobid': 3}"}
    assert {str(arguments) for method, arguments in daemon.asked if "stats" in method} == {"{'group': 'job/3'}"}


def test_a_copy_that_is_over_at_once_is_summed_up_after_it(tmp_path: Path) -> None:
    proofs: list[int] = []
    daemon = Scripted(copyfile=[{"jobid": 3}], status=states(True), stats=[{}])
    assert copying(tmp_path, daemon, proofs) == "9a0364b9e99bb480dd25e1f0284c8555"
    assert proofs == [7]


def test_a_copy_that_failed_says_why_and_one_that_may_not_go_on_is_stopped(tmp_path: Path) -> None:
    daemon = Scripted(copyfile=[{"jobid": 3}], status=states(True, success=False), stats=[{}])
    with pytest.raises(RefusedError, match="It failed"):
        copying(tmp_path, daemon, [])
    daemon = Scripted(copyfile=[{"jobid": 3}], status=states(False, False, True), stats=[{}], stop=[{}])
    path = tmp_path / "file"
    with path.open("rb") as file, pytest.raises(ZeroDivisionError):
        copied(cast(Daemon, daemon), {}, Sum(file, "md5"), lambda: 1 // 0)  # type: ignore[arg-type]
    assert daemon.methods() == ["copyfile", "status", "stop", "status", "status"]

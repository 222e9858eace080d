"""A backup on its way out: whole, in parts, to many at once, and to somebody who goes away."""

import hashlib
import http.client
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.backups import manifest_of
from tests.support.dashboard import PASSWORD, SECRET, Web
from tests.support.processes import Background, eventually
from tests.support.servers import free_port
from worker.broker import tokens
from worker.repository import catalogue
from worker.storage import open_storage

NAME = "redis_backup_20231205_143022.rdb.zst"
CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = f"/api/backup/download/{NAME}"
MEGABYTE = 1 << 20
LARGE = 48 * MEGABYTE
AT_ONCE, SLOW = 10, 20


@pytest.fixture
def script(web_app: Web) -> FlaskClient:
    """A script that may download this backup."""
    storage = open_storage(str(web_app.storage))
    storage.put(NAME, CONTENT)
    catalogue.add(storage, manifest_of(NAME, CONTENT))
    return web_app.with_token("read")


def ask(script: FlaskClient, method: str = "GET", **headers: str) -> TestResponse:
    """The whole answer, read to its end."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return script.open(URL, method=method, headers=named, buffered=True)


def open_files(pid: int | str, folder: Path) -> list[str]:
    """What of that folder a process holds open."""
    held = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.append(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    return [path for path in held if path.startswith(str(folder))]


def test_the_stored_file_comes_as_it_is_with_all_that_a_client_wants_to_know(web_app: Web, script: FlaskClient) -> None:
    answer = ask(script)
    assert (answer.status_code, answer.data) == (200, CONTENT)
    told = answer.headers
    assert told["Content-Type"] == "application/octet-stream"
    assert told["Content-Disposition"] == f"attachment; filename={NAME}"
    assert told["Content-Length"] == str(SIZE)
    assert told["Accept-Ranges"] == "bytes"
    assert told["ETag"] == f'"{SHA256}"'
    assert told["Last-Modified"] == "Tue, 05 Dec 2023 14:30:22 GMT"
    assert told["X-Content-Type-Options"] == "nosniff"
    assert open_files("self", web_app.storage) == []


def test_the_latest_can_be_asked_for_and_comes_under_its_name(script: FlaskClient) -> None:
    answer = script.get("/api/backup/download/latest", buffered=True)
    assert (answer.data, answer.headers["Content-Disposition"]) == (CONTENT, f"attachment; filename={NAME}")


def test_head_tells_the_same_without_the_file(web_app: Web, script: FlaskClient) -> None:
    answer = ask(script, "HEAD", Range="bytes=0-9")
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", str(SIZE))
    assert open_files("self", web_app.storage) == []


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=3-299", 3, 300),
        ("bytes=1000-", 1000, SIZE),
        ("bytes=-24", SIZE - 24, SIZE),
        ("bytes=0-99999", 0, SIZE),
        (f"bytes=-{SIZE}", 0, SIZE),
    ],
)
def test_a_part_is_just_that_part(web_app: Web, script: FlaskClient, asked: str, start: int, end: int) -> None:
    answer = ask(script, Range=asked)
    assert (answer.status_code, answer.data) == (206, CONTENT[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(end - start)
    assert open_files("self", web_app.storage) == []


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=5000-6000"])
def test_a_part_beyond_the_end_cannot_be_had(web_app: Web, script: FlaskClient, asked: str) -> None:
    answer = ask(script, Range=asked)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")
    assert answer.get_json()["error"].endswith("ask for one within its size.")
    assert open_files("self", web_app.storage) == []


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=1-2", "bytes=x", "bytes", "bytes=9-2", "bytes=-99999"])
def test_whoever_asks_for_parts_in_another_way_gets_the_whole(script: FlaskClient, asked: str) -> None:
    answer = ask(script, Range=asked)
    assert (answer.status_code, answer.data) == (200, CONTENT)


def test_a_broken_download_goes_on_only_if_the_file_is_still_the_same(script: FlaskClient) -> None:
    same = ask(script, Range="bytes=10-19", If_Range=f'"{SHA256}"')
    other = ask(script, Range="bytes=10-19", If_Range='"another"')
    assert (same.status_code, same.data) == (206, CONTENT[10:20])
    assert (other.status_code, other.data) == (200, CONTENT)


def test_whoever_has_the_file_need_not_get_it_again(web_app: Web, script: FlaskClient) -> None:
    answer = ask(script, If_None_Match=f'"{SHA256}"')
    assert (answer.status_code, answer.data) == (304, b"")
    assert open_files("self", web_app.storage) == []


def test_whoever_wants_another_file_gets_none(web_app: Web, script: FlaskClient) -> None:
    answer = ask(script, If_Match='"another"')
    assert answer.status_code == 412
    assert answer.get_json()["error"].startswith("The backup is not the one that If-Match")
    assert open_files("self", web_app.storage) == []
    assert ask(script, If_Match=f'"{SHA256}"').data == CONTENT


def test_a_storage_that_cannot_be_read_is_a_reason_to_try_again(web_app: Web, script: FlaskClient) -> None:
    web_app.storage.rename(web_app.folder / "elsewhere")
    web_app.storage.write_text("a file where the folder should be")
    for path in ("list", f"manifest/{NAME}", f"download/{NAME}"):
        answer = script.get(f"/api/backup/{path}")
        assert answer.status_code == 503, path
        assert str(web_app.storage) in answer.get_json()["error"]


def test_a_file_that_is_not_what_its_manifest_says_is_not_given_out(web_app: Web, script: FlaskClient) -> None:
    (web_app.storage / NAME).write_bytes(CONTENT[:-1])
    answer = ask(script)
    assert answer.status_code == 409
    assert answer.get_json()["error"] == f"The artifact {NAME} has 1,023 bytes and not 1,024: it is not whole."
    (web_app.storage / NAME).unlink()
    assert ask(script).status_code == 404


def test_no_link_leads_out_of_the_storage(web_app: Web, script: FlaskClient) -> None:
    secret = web_app.folder / "secret"
    secret.write_bytes(b"x" * SIZE)
    (web_app.storage / NAME).unlink()
    (web_app.storage / NAME).symlink_to(secret)
    answer = ask(script)
    assert answer.status_code == 404
    assert b"xxx" not in answer.data


@dataclass
class Live:
    """`python -m web` with one large backup, and the way to it."""

    process: Background
    storage: Path
    port: int
    authorization: str
    sha256: str

    @property
    def pid(self) -> int:
        return self.process.process.pid

    @property
    def memory(self) -> int:
        """Bytes that the process has had in memory at most."""
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) * 1024

    def ask(self) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", URL, headers={"Authorization": self.authorization})
        return connection, connection.getresponse()

    def fetch(self, _: Any = None) -> str:
        """The sha256 of one download."""
        connection, answer = self.ask()
        try:
            return sha256_of(answer)
        finally:
            connection.close()


def sha256_of(answer: http.client.HTTPResponse, begun: bytes = b"") -> str:
    """Of what has come already, and of the rest."""
    digest = hashlib.sha256(begun)
    while piece := answer.read(MEGABYTE):
        digest.update(piece)
    return digest.hexdigest()


@pytest.fixture
def live(web_app: Web) -> Iterator[Live]:
    storage = open_storage(str(web_app.storage))
    content = os.urandom(MEGABYTE) * (LARGE // MEGABYTE)
    storage.put(NAME, content)
    described = manifest_of(NAME, content)
    catalogue.add(storage, described)
    port = free_port()
    more = {"SESSION_SECRET": SECRET, "ADMIN_PASSWORD": PASSWORD, "PORT": str(port)}
    process = Background(sys.executable, "-m", "web", env=web_app.env | more, cwd=web_app.folder, name="web")
    try:
        process.wait_until_it_says("The dashboard is at")
        token = tokens.create(web_app.settings, "fetcher", ["read"], "admin")
        yield Live(process, web_app.storage, port, f"Bearer {token}", described.sha256)
    finally:
        process.stop()


def test_ten_at_once_get_it_at_flat_memory_and_those_who_leave_are_forgotten(live: Live) -> None:
    assert live.fetch() == live.sha256
    before = live.memory
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert set(pool.map(live.fetch, range(AT_ONCE))) == {live.sha256}
    slow = [live.ask() for _ in range(SLOW)]
    begun = [answer.read(1000) for _, answer in slow]
    # Those who do not read take none of the threads, of which there are fewer: somebody else is served meanwhile.
    assert live.fetch() == live.sha256
    # Its file is closed after its last byte was sent, which may be a moment after it arrived here.
    eventually(
        lambda: len(open_files(live.pid, live.storage)) == SLOW, "only the files of those who do not read to be open"
    )

    catalogue.remove(open_storage(str(live.storage)), NAME)
    assert sha256_of(slow[0][1], begun[0]) == live.sha256, "it was deleted on its way, and arrives all the same"
    for connection, answer in slow:
        answer.close()
        connection.close()
    eventually(lambda: open_files(live.pid, live.storage) == [], "the files to be closed")
    assert live.memory - before < SLOW * LARGE / 5

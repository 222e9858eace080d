"""What rclone asks of Google Drive's API, answered as Drive does: behind a proxy that stands for Google, with its own authority."""

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.certificates import Authority
from worker.config.settings import load
from worker.storage import open_storage
from worker.storage.rclone.daemon import Daemon
from worker.storage.remote import Remote

ROOT = "1aFolderOfTheTests"
TOKEN = json.dumps({"access_token": "a-token-of-tests", "token_type": "Bearer", "expiry": "2099-01-01T00:00:00Z"})
FOLDER = "application/vnd.google-apps.folder"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Entry:
    """A file, or a folder, of Drive's: several may have one name."""

    id: str
    name: str
    parent: str
    kind: str = "application/octet-stream"
    content: bytes = b""
    modified: str = ""
    trashed: bool = False

    def told(self) -> dict[str, Any]:
        more = {} if self.kind == FOLDER else {"size": str(len(self.content)), **self._sums()}
        times = {"createdTime": self.modified, "modifiedTime": self.modified}
        return {"id": self.id, "name": self.name, "mimeType": self.kind, "parents": [self.parent], **times, **more}

    def _sums(self) -> dict[str, str]:
        return {
            "md5Checksum": hashlib.md5(self.content, usedforsecurity=False).hexdigest(),
            "sha1Checksum": hashlib.sha1(self.content, usedforsecurity=False).hexdigest(),
            "sha256Checksum": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass
class Drive:
    """One folder of somebody's, and what was asked; `refuse` says with which reason a request is refused."""

    entries: dict[str, Entry] = field(default_factory=dict)
    uploads: dict[str, tuple[Entry, dict[str, Any], bytearray]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refuse: Callable[[str, str], str | None] = lambda _method, _path: None
    numbers: Iterator[int] = field(default_factory=count)
    lock: threading.Lock = field(default_factory=threading.Lock)
    authorization: set[str] = field(default_factory=set)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.entries.values() if not entry.trashed and entry.id != ROOT)

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> Answer:
        parts = urlsplit(url)
        self.asked.append(f"{method} {parts.path}")
        self.authorization.add(headers.get("Authorization", ""))
        if reason := self.refuse(method, parts.path):
            return self._error(403, reason)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/resumable").removeprefix("/upload")
        with self.lock:
            if parts.path.startswith("/resumable/"):
                return self._resumed(parts.path.rpartition("/")[2], headers, body)
            if parts.path.startswith("/upload/"):
                return self._uploaded(method, path, query, headers, body)
            return self._asked(method, path, query, headers, body)

    def _asked(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> Answer:
        if path.endswith("/drive/v3/files") and method == "GET":
            if not {*re.findall(r"'([^']+)' in parents", query.get("q", ""))} <= self.entries.keys():
                return self._error(404, "notFound")
            found = [entry.told() for entry in self.entries.values() if self._matches(entry, query.get("q", ""))]
            return self._told({"files": found, "kind": "drive#fileList"})
        entry = self.entries.get(path.rpartition("/")[2])
        if entry is None:
            return self._error(404, "notFound")
        if method == "DELETE":
            del self.entries[entry.id]
            return 204, {}, b""
        if method == "PATCH":
            self._change(entry, json.loads(body))
        if query.get("alt") == "media":
            return self._ranged(entry.content, headers.get("Range", ""))
        return self._told(entry.told())

    def _ranged(self, content: bytes, wanted: str) -> Answer:
        kind = {"Content-Type": "application/octet-stream"}
        if not (match := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)):
            return 200, kind, content
        first, last = int(match[1]), int(match[2] or len(content) - 1)
        return 206, kind | {"Content-Range": f"bytes {first}-{last}/{len(content)}"}, content[first : last + 1]

    def _matches(self, entry: Entry, q: str) -> bool:
        if "trashed=false" in q and entry.trashed:
            return False
        parents, names = re.findall(r"'([^']+)' in parents", q), re.findall(r"name='((?:[^'\\]|\\.)*)'", q)
        if parents and entry.parent not in parents:
            return False
        if names and entry.name not in names:
            return False
        wants_folder = f"mimeType='{FOLDER}'" in q
        return not (wants_folder and entry.kind != FOLDER) and not (
            f"mimeType!='{FOLDER}'" in q and entry.kind == FOLDER
        )

    def _change(self, entry: Entry, said: dict[str, Any]) -> None:
        entry.name = said.get("name", entry.name)
        entry.trashed = said.get("trashed", entry.trashed)
        entry.modified = said.get("modifiedTime", entry.modified)
        entry.parent = (said.get("parents") or [entry.parent])[0]

    def _meant(self, method: str, path: str) -> Entry:
        if method == "PATCH":
            return self.entries[path.rpartition("/")[2]]
        return Entry(f"id-{next(self.numbers)}", "", ROOT, modified=datetime.now(UTC).isoformat())

    def _uploaded(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> Answer:
        entry = self._meant(method, path)
        if query["uploadType"] == "resumable":
            number = str(next(self.numbers))
            self.uploads[number] = entry, json.loads(body or b"{}"), bytearray()
            return 200, {"Location": f"https://www.googleapis.com/resumable/{number}"}, b""
        typed = b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body
        parts: Any = message_from_bytes(typed).get_payload()
        said, content = (part.get_payload(decode=True) for part in parts)
        return self._kept(entry, json.loads(said), content)

    def _resumed(self, number: str, headers: Any, body: bytes) -> Answer:
        entry, said, content = self.uploads[number]
        total = headers["Content-Range"].rpartition("/")[2]
        content += body
        if total == "*" or len(content) < int(total):
            return 308, {"Range": f"bytes=0-{len(content) - 1}"}, b""
        del self.uploads[number]
        return self._kept(entry, said, bytes(content))

    def _kept(self, entry: Entry, said: dict[str, Any], content: bytes) -> Answer:
        self._change(entry, said)
        entry.content = content
        self.entries[entry.id] = entry
        return self._told(entry.told())

    def _told(self, said: Any) -> Answer:
        return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()

    def _error(self, status: int, reason: str) -> Answer:
        words = {
            "storageQuotaExceeded": "The user's Drive storage quota has been exceeded.",
            "notFound": "File not found: .",
            "noQuota": "Service Accounts do not have storage quota.",
        }
        message = words.get(reason, reason)
        one = {"domain": "global", "reason": reason, "message": message}
        said = {"error": {"code": status, "message": message, "errors": [one]}}
        return status, {"Content-Type": "application/json"}, json.dumps(said).encode()


class Handler(BaseHTTPRequestHandler):
    """Of the proxy: whoever wants to be led to Google is led no further."""

    protocol_version = "HTTP/1.1"
    drive: Drive
    context: ssl.SSLContext

    def do_CONNECT(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb", -1), self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        """As whoever begins TLS must end it."""
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def _answer(self) -> None:
        body = self._body()
        status, headers, content = self.drive.answer(self.command, self.path, self.headers, body)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - as the standard library calls them

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class Proxy(ThreadingHTTPServer):
    daemon_threads, block_on_close = False, True

    def handle_error(self, *_: Any) -> None:
        """Whoever is cut off goes away."""


@contextmanager
def google(folder: Path) -> Iterator[tuple[Drive, dict[str, str]]]:
    """A Drive with one empty folder, and what a process must know to take it for Google's."""
    authority, drive = Authority(folder), Drive()
    signed = authority.sign("google", "DNS:www.googleapis.com,DNS:oauth2.googleapis.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    drive.entries[ROOT] = Entry(ROOT, "of redis", "root", FOLDER, modified="2023-12-05T14:30:22Z")
    with Proxy(("127.0.0.1", 0), type("Google", (Handler,), {"drive": drive, "context": context})) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield drive, {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}", "SSL_CERT_FILE": authority.path}
        finally:
            proxy.shutdown()
            thread.join()


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """With the environment of a product that uses it, and an rclone of this test's."""
    running: dict[Any, Daemon] = {}
    (tmp_path / "google").mkdir()
    with google(tmp_path / "google") as (drive, env):
        for name, value in {**env, "GDRIVE_TOKEN": TOKEN, "BACKUP_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("worker.storage.rclone.daemon._running", running)
        load.cache_clear()
        yield drive
        for daemon in running.values():
            daemon.process.stop()
    load.cache_clear()


@pytest.fixture
def in_gdrive(drive: Drive) -> Remote:
    storage = open_storage(f"gdrive://{ROOT}")
    assert isinstance(storage, Remote)
    return storage

"""Google's XML API, as far as obstore asks for it: an honest small one, behind TLS, that lets in whoever has signed for it.

Written after Google's reference of that API: preconditions by generation, uploads in parts, lists by pages, ranges.
"""

import base64
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.certificates import Authority
from worker.config.settings import load
from worker.storage import open_storage
from worker.storage.remote import Remote

PAGE = 3
"""So many names are listed at once: of Google's thousand nobody would see the second page."""
SMALLEST_PART = 5 << 20
BUCKET = "bucket-of-google"
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Object:
    """One generation of an object."""

    content: bytes
    generation: int
    etag: str
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def headers(self) -> dict[str, str]:
        return {
            "ETag": f'"{self.etag}"',
            "Last-Modified": format_datetime(self.modified, usegmt=True),
            "x-goog-generation": str(self.generation),
        }


@dataclass
class Google:
    """One bucket, and what was asked; `refuse` says with which code a request is refused."""

    objects: dict[str, Object] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refuse: Callable[[str, str], tuple[int, str] | None] = lambda _method, _name: None
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def account(self, address: str, key: rsa.RSAPrivateKey | None = None) -> str:
        """What Google gives to whoever makes a service account, with the address of this bucket's server."""
        private = (key or self.key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        said = {"private_key": private.decode(), "private_key_id": "1", "client_email": "tests@example.com"}
        return json.dumps({"type": "service_account", **said, "gcs_base_url": address})

    def names(self, storage: Remote) -> list[str]:
        """All that lies there, what is hidden as well."""
        prefix = storage.place.removeprefix(f"gs://{BUCKET}/") + "/"
        return sorted(name.removeprefix(prefix) for name in self.objects if name.startswith(prefix))

    def put(self, storage: Remote, name: str, content: bytes) -> None:
        """Somebody else writes there."""
        self._keep(f"{storage.place.removeprefix(f'gs://{BUCKET}/')}/{name}", content)

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> Answer:
        parts = urlsplit(url)
        bucket, _, name = unquote(parts.path).removeprefix("/").partition("/")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self.lock:
            self.asked.append(f"{method} {name}")
            if not self._is_signed(headers.get("Authorization", "")):
                return _error(401, "AuthenticationRequired")
            if refused := self.refuse(method, name):
                return _error(*refused)
            if bucket != BUCKET:
                return _error(404, "NoSuchBucket")
            if not name:
                return self._listed(query)
            if "uploads" in query or "uploadId" in query:
                return self._in_parts(method, name, query, body)
            return {"PUT": self._put, "GET": self._get, "HEAD": self._get, "DELETE": self._delete}[method](
                name, headers, body
            )

    def _is_signed(self, authorization: str) -> bool:
        """Whether it is a token that the account's own key has signed, and that is good now."""
        signed, _, signature = authorization.removeprefix("Bearer ").rpartition(".")
        try:
            self.key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        said = json.loads(_decoded(signed.partition(".")[2]))
        return bool(said["iat"] - 60 <= datetime.now(UTC).timestamp() < said["exp"])

    def _keep(self, name: str, content: bytes, parts: int = 0) -> Object:
        # Of parts there is no checksum in it.
        sum_ = hashlib.md5(content, usedforsecurity=False).hexdigest()
        generation = next(self.numbers)
        etag = f"{hashlib.md5(sum_.encode(), usedforsecurity=False).hexdigest()}-{parts}" if parts else sum_
        self.objects[name] = Object(content, generation, etag)
        return self.objects[name]

    def _put(self, name: str, headers: Any, body: bytes) -> Answer:
        wanted = headers.get("x-goog-if-generation-match")
        if wanted is not None and int(wanted) != (self.objects[name].generation if name in self.objects else 0):
            return _error(412, "PreconditionFailed")
        return 200, self._keep(name, body).headers, b""

    def _get(self, name: str, headers: Any, _: bytes) -> Answer:
        if (there := self.objects.get(name)) is None:
            return _error(404, "NoSuchKey")
        if headers.get("If-Match", there.etag).strip('"') != there.etag:
            return _error(412, "PreconditionFailed")
        if not (wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", ""))):
            return 200, there.headers, there.content
        first, last = int(wanted[1]), min(int(wanted[2] or len(there.content) - 1), len(there.content) - 1)
        if first > last:
            return _error(416, "InvalidRange")
        said = there.headers | {"Content-Range": f"bytes {first}-{last}/{len(there.content)}"}
        return 206, said, there.content[first : last + 1]

    def _delete(self, name: str, _headers: Any, _: bytes) -> Answer:
        return (204, {}, b"") if self.objects.pop(name, None) else _error(404, "NoSuchKey")

    def _in_parts(self, method: str, name: str, query: dict[str, str], body: bytes) -> Answer:
        if "uploads" in query:
            number = str(next(self.numbers))
            self.uploads[number] = {}
            return _said("InitiateMultipartUploadResult", {"Bucket": BUCKET, "Key": name, "UploadId": number})
        if (parts := self.uploads.get(query["uploadId"])) is None:
            return _error(404, "NoSuchUpload")
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'}, b""
        if method == "DELETE":
            del self.uploads[query["uploadId"]]
            return 204, {}, b""
        wanted = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
        if wanted != sorted(parts) or any(len(parts[number]) < SMALLEST_PART for number in wanted[:-1]):
            return _error(400, "InvalidPart")
        kept = self._keep(name, b"".join(parts[number] for number in wanted), len(wanted))
        del self.uploads[query["uploadId"]]
        status, headers, content = _said(
            "CompleteMultipartUploadResult", {"Bucket": BUCKET, "Key": name, "ETag": f'"{kept.etag}"'}
        )
        return status, headers | {"x-goog-generation": str(kept.generation)}, content

    def _listed(self, query: dict[str, str]) -> Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = max(query.get("continuation-token", ""), query.get("start-after", ""))
        rows: dict[str, str] = {}
        for name, there in sorted(self.objects.items()):
            folder, found, _ = name.removeprefix(prefix).partition(delimiter) if delimiter else ("", "", "")
            shown = f"{prefix}{folder}{delimiter}" if found else name
            if name.startswith(prefix) and shown > after:
                rows[shown] = _folder(shown) if found else _row(shown, there)
        page = [*rows][:PAGE]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(rows) > PAGE else ""
        content = "".join(rows[name] for name in page)
        return 200, {}, f"<ListBucketResult>{content}{more}</ListBucketResult>".encode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _folder(name: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"


def _row(name: str, there: Object) -> str:
    modified = there.modified.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    said = {"Key": name, "Size": len(there.content), "LastModified": modified, "ETag": f'"{there.etag}"'}
    return f"<Contents>{_elements(said)}</Contents>"


def _elements(said: dict[str, Any]) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in said.items())


def _said(what: str, said: dict[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/xml"}, f"<{what}>{_elements(said)}</{what}>".encode()


def _error(status: int, code: str) -> Answer:
    _, headers, content = _said("Error", {"Code": code, "Message": code})
    return status, headers, content


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    google: Google

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, content = self.google.answer(self.command, self.path, self.headers, body)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - as the standard library calls them

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Whoever is cut off goes away."""


@pytest.fixture(scope="session")
def google_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Google, str, str]]:
    """The bucket, the address of its server, and the certificate of its authority."""
    authority, google = Authority(tmp_path_factory.mktemp("google")), Google()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority["server"].certificate, authority["server"].key)
    with _Server(("127.0.0.1", 0), type("_Handler", (_Handler,), {"google": google})) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield google, f"https://127.0.0.1:{server.server_address[1]}", authority.path
        server.shutdown()
        thread.join()


@pytest.fixture
def google(google_server: tuple[Google, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    """With the environment of a product that uses it."""
    google, address, authority = google_server
    for name, value in {
        "GOOGLE_SERVICE_ACCOUNT_KEY": google.account(address),
        "AWS_CA_BUNDLE": authority,
        "BACKUP_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    load.cache_clear()
    yield google
    google.refuse = lambda _method, _name: None
    load.cache_clear()


@pytest.fixture
def in_gs(google: Google, tmp_path: Path) -> Remote:
    """A folder of this test's."""
    storage = open_storage(f"gs://{BUCKET}/of-{abs(hash(str(tmp_path)))}")
    assert isinstance(storage, Remote)
    return storage

"""A server of S3 that holds backups in memory and answers each request after so many milliseconds: what a bucket far away is like.

`python -m benchmarks.answering COUNT MILLISECONDS` reads a manifest, has so many backups like that, prints its port, and serves until
it is ended. It knows what a catalogue asks for: lists, and objects whole; who asks it does not care.
"""

import asyncio
import hashlib
import sys
from bisect import bisect_right
from datetime import timedelta
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from worker.config.signing_keys import as_text
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, Size, artifact_name, sha256_of, to_signed
from worker.repository.signing.keys import Signer

BUCKET, PREFIX = "bucket", "redis/"
PAGE = 1000
_TINY = b"artifact"


def backups(like: Manifest, count: int, signer: Signer) -> dict[str, bytes]:
    """So many like that one, an hour apart: the objects by name. Signed by a machine that is not this one."""
    objects: dict[str, bytes] = {}
    previous: str | None = None
    for number in range(count):
        at = like.created_at - timedelta(hours=count - number)
        name = artifact_name(at, "rdb", ".zst")
        numbers = {"signer": signer.public, "chain": "benchmarks", "sequence": number + 1, "previous": previous}
        tiny = {"bytes": Size(raw=like.bytes.raw, stored=len(_TINY)), "sha256": hashlib.sha256(_TINY).hexdigest()}
        manifest = like.model_copy(update={"name": name, "created_at": at, **tiny, **numbers})
        text = to_signed(manifest, signer)
        previous = sha256_of(text)
        objects |= {PREFIX + name: _TINY, PREFIX + name + MANIFEST_SUFFIX: text}
    return objects


class Bucket:
    """The objects, and answers about them."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects, self._names = objects, sorted(objects)
        self._tags = {name: hashlib.md5(text, usedforsecurity=False).hexdigest() for name, text in objects.items()}
        self._lines = [
            f"<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{self._tags[name]}&quot;</ETag><Size>{len(objects[name])}</Size></Contents>"
            for name in self._names
        ]

    def answer(self, method: str, target: str) -> bytes:
        """A whole answer of HTTP."""
        parts = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if "list-type" in asked:
            return _answer("200 OK", self._page(asked.get("continuation-token") or asked.get("start-after", "")))
        name = unquote(parts.path).removeprefix(f"/{BUCKET}/")
        if method not in ("GET", "HEAD") or name not in self._objects:
            return _answer("404 Not Found", b"")
        text = self._objects[name]
        return _answer("200 OK", text, self._tags[name], is_head=method == "HEAD")

    def _page(self, after: str) -> bytes:
        begin = bisect_right(self._names, after)
        end = min(begin + PAGE, len(self._names))
        more = end < len(self._names)
        token = f"<NextContinuationToken>{self._names[end - 1]}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>{BUCKET}</Name><KeyCount>{end - begin}</KeyCount>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{''.join(self._lines[begin:end])}</ListBucketResult>"
        ).encode()


def _answer(status: str, content: bytes, tag: str = "", *, is_head: bool = False) -> bytes:
    of_object = f'Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: "{tag}"\r\n' if tag else ""
    head = f"HTTP/1.1 {status}\r\n{of_object}Content-Length: {len(content)}\r\n\r\n".encode()
    return head if is_head else head + content


class Answering(asyncio.Protocol):
    """One connection; of a request without a body the head is all there is."""

    def __init__(self, bucket: Bucket, seconds: float) -> None:
        self._bucket, self._seconds, self._unread = bucket, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            asyncio.get_running_loop().call_later(self._seconds, self._say, method, target)

    def _say(self, method: str, target: str) -> None:
        self._transport.write(self._bucket.answer(method, target))


async def _serve(count: int, milliseconds: float) -> None:
    like = Manifest.model_validate_json(sys.stdin.buffer.read())
    key = Ed25519PrivateKey.generate()
    signer = Signer(as_text(key.public_key().public_bytes_raw()), key)
    bucket = Bucket(backups(like, count, signer))
    server = await asyncio.get_running_loop().create_server(
        lambda: Answering(bucket, milliseconds / 1000), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))

"""A bucket in the cloud, or of anything that speaks like one: s3://, gs://, az://, by obstore.

Whoever lists or reads small things may be a page that somebody waits for, so that fails within seconds; what writes and what
brings a backup is patient, for hours of work may hang on it. There is an end to both.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from worker.config.cloud import Cloud
from worker.errors import NotFoundError, StorageError
from worker.progress import Proof, undisputed
from worker.storage.bucket import Thing
from worker.storage.cloud.pages import Pages
from worker.storage.interface import READ_BYTES, Readable
from worker.storage.refusals import translated, understood
from worker.storage.versions.s3 import S3Versions

_PART_BYTES, _MOST_PARTS, _AT_ONCE = 8 << 20, 9000, 4
_RESUMES = 5
"""How often a download that breaks off is taken up again with nothing having come since."""


@dataclass(frozen=True)
class Patience:
    """How long one request may take and how often it is tried again, in seconds; what is refused for good is not."""

    request: float
    connect: float
    silence: float
    """Within an answer."""
    tries: int
    within: float
    """When it is tried no more."""
    pause: float
    """Before the first try again; then twice as long each time, up to `longest`."""
    longest: float

    @property
    def client(self) -> dict[str, Any]:
        """As obstore calls it."""
        seconds = {"timeout": self.request, "connect_timeout": self.connect, "read_timeout": self.silence}
        return {name: timedelta(seconds=value) for name, value in seconds.items()}

    @property
    def retry(self) -> Any:
        """As obstore calls it."""
        pauses = {
            "init_backoff": timedelta(seconds=self.pause),
            "max_backoff": timedelta(seconds=self.longest),
            "base": 2,
        }
        return {"max_retries": self.tries, "retry_timeout": timedelta(seconds=self.within), "backoff": pauses}


HURRIED = Patience(request=6, connect=3, silence=6, tries=2, within=6, pause=0.1, longest=1)
PATIENT = Patience(request=180, connect=5, silence=45, tries=40, within=60, pause=0.2, longest=8)
_ELSEWHERE = (AlreadyExistsError, PreconditionError, NotModifiedError)
"""Something else is there than was said."""


class CloudBucket:
    """The objects below one address."""

    readers = 64

    def __init__(self, place: str, cloud: Cloud, hurried: Patience = HURRIED, patient: Patience = PATIENT) -> None:
        self.place = place
        self.exclusive: bool | None = None
        with understood(place):
            self._hurried, self._patient = (_store(place, cloud, how) for how in (hurried, patient))
        store, endpoint, ca = self._patient, cloud.endpoint, cloud.ca
        self._pages = Pages(self._hurried)
        self.versions = S3Versions(place, endpoint, store, ca) if isinstance(store, S3Store) else None

    def things(self) -> list[Thing]:
        """All that lies in it."""
        with translated(self.place, "list"):
            objects = self._pages.look()
        return [_thing(answer) for answer in objects if "/" not in answer["path"]]

    def look(self, name: str) -> Thing | None:
        """What is known of that object; None where there is none."""
        with suppress(NotFoundError), translated(self.place, "read", name):
            return _thing(obstore.head(self._patient, name))
        return None

    def upload(self, name: str, file: Readable, size: int, prove: Proof) -> bool:
        """Write an object in pieces; whether its tag is the one that these bytes have."""
        part = part_bytes(size)
        return self._put(name, _Pieces(file, part, prove), in_parts=size > part)

    def follow(self, name: str, file: Readable) -> bool:
        """Write an object in pieces out of what grows: where these raise, it is not there, and no part of it is left."""
        return self._put(name, _Pieces(file, _PART_BYTES, undisputed), in_parts=True)

    def _put(self, name: str, pieces: "_Pieces", *, in_parts: bool) -> bool:
        with translated(self.place, "write", name):
            try:
                if not in_parts:
                    put = obstore.put(self._patient, name, b"".join(pieces), use_multipart=False)
                else:
                    put = obstore.put(
                        self._patient,
                        name,
                        iter(pieces),
                        use_multipart=True,
                        chunk_size=pieces.size,
                        max_concurrency=_AT_ONCE,
                    )
            except BaseError as error:
                # Of an upload that was broken off from here, it may be raised that its parts cannot be taken back.
                raise pieces.broken_off or error from None
        return (put["e_tag"] or "").strip('"') == pieces.tag

    def create(self, name: str, content: bytes) -> bool:
        """Write a small object where there is none."""
        with translated(self.place, "write", name):
            try:
                obstore.put(self._patient, name, content, mode="create", use_multipart=False)
            except _ELSEWHERE:
                return False
        return True

    def replace(self, name: str, content: bytes, version: str | None) -> bool:
        """Write a small object in the place of that version."""
        with translated(self.place, "write", name):
            try:
                mode: Any = {"e_tag": version} if version else "overwrite"
                if version and isinstance(self._patient, GCSStore):
                    # Google asks for the number of a generation, which it does not tell in lists.
                    there = obstore.head(self._patient, name)
                    if there["e_tag"] != version:
                        return False
                    mode["version"] = there["version"]
                obstore.put(self._patient, name, content, mode=mode, use_multipart=False)
            except _ELSEWHERE:
                return False
        return True

    def read(self, name: str, most: int) -> tuple[Thing, bytes]:
        """A small object, and its content, within seconds."""
        with translated(self.place, "read", name):
            got = obstore.get(self._hurried, name)
            thing = _thing(got.meta)
            return thing, bytes(got.bytes()) if thing.size <= most else b""

    def download(self, name: str, start: int = 0, version: str | None = None) -> tuple[Thing, Iterator[bytes]]:
        """An object, and its bytes from there on, in pieces."""
        got = self._get(name, start, version)
        thing = _thing(got.meta)
        return thing, self._pieces(got, name, thing, start)

    def _get(self, name: str, start: int, version: str | None) -> Any:
        options: Any = {"if_match": version} if version else {}
        if start:
            options["range"] = {"offset": start}
        with translated(self.place, "read", name):
            try:
                return obstore.get(self._patient, name, options=options)
            except _ELSEWHERE:
                raise _replaced(self.place, name) from None

    def _pieces(self, got: Any, name: str, thing: Thing, at: int) -> Iterator[bytes]:
        failed = 0
        while True:
            with translated(self.place, "read", name):
                try:
                    for piece in got.stream(min_chunk_size=READ_BYTES):
                        at, failed = at + len(piece), 0
                        yield bytes(piece)
                    if at >= thing.size:
                        return
                except (BaseError, OSError):
                    if failed >= _RESUMES:
                        raise
            failed += 1
            if failed > _RESUMES:
                return
            got = self._get(name, at, thing.version)

    def part(self, thing: Thing, start: int, size: int) -> bytes:
        """That many bytes of that very object from there on. StorageError also where ranges are not known there."""
        options: Any = {"if_match": thing.version} if thing.version else {}
        options["range"] = (start, min(start + size, thing.size))
        with translated(self.place, "read", thing.name):
            try:
                return bytes(obstore.get(self._hurried, thing.name, options=options).bytes())
            except _ELSEWHERE:
                raise _replaced(self.place, thing.name) from None

    def delete(self, names: list[str], *, soon: bool = False) -> None:
        """Delete these, whether or not they are there."""
        for name in names:
            with suppress(NotFoundError), translated(self.place, "delete", name), suppress(FileNotFoundError):
                obstore.delete(self._hurried if soon else self._patient, name)


def _replaced(place: str, name: str) -> NotFoundError:
    return NotFoundError(f"The file {name} in {place} has been replaced meanwhile.", of=name)


def part_bytes(size: int) -> int:
    """How large the parts of a file of so many bytes are: none is small, and there are not too many."""
    return max(_PART_BYTES, -(-size // _MOST_PARTS))


class _Pieces:
    """A file in parts of one size, and the tag that S3 gives an object of these."""

    def __init__(self, file: Readable, size: int, prove: Proof) -> None:
        self.size = size
        self._file, self._prove = file, prove
        self._sums: list[bytes] = []
        self.broken_off: BaseException | None = None
        """What was raised here."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            while piece := self._file.read(self.size):
                self._prove()
                if len(self._sums) > _MOST_PARTS:
                    raise StorageError(f"The file has become larger than {_MOST_PARTS:,} parts of {self.size:,} bytes.")
                self._sums.append(hashlib.md5(piece, usedforsecurity=False).digest())
                yield piece
        except GeneratorExit:
            # Nobody wants any more of it.
            raise
        except BaseException as error:
            self.broken_off = error
            raise

    @property
    def tag(self) -> str:
        """By what has passed."""
        if len(self._sums) <= 1:
            return (self._sums or [hashlib.md5(usedforsecurity=False).digest()])[0].hex()
        return f"{hashlib.md5(b''.join(self._sums), usedforsecurity=False).hexdigest()}-{len(self._sums)}"


def _thing(answer: Any) -> Thing:
    return Thing(answer["path"], answer["size"], answer["e_tag"], answer["last_modified"])


def _store(place: str, cloud: Cloud, how: Patience) -> ObjectStore:
    scheme, _, rest = place.partition("://")
    bucket, _, prefix = rest.partition("/")
    client: Any = dict(how.client)
    if ca := cloud.ca:
        client["root_certificate"] = ca
    more: dict[str, Any] = {"prefix": prefix or None, "retry_config": how.retry}
    if scheme == "s3":
        return S3Store(bucket, client_options=client | _plain(cloud.endpoint), **more, **_of_s3(bucket, cloud))
    if scheme == "gs":
        return GCSStore(bucket, client_options=client, **more, **_of_google(cloud))
    return AzureStore(bucket, client_options=client | _plain(cloud.azure_storage_endpoint), **more, **_of_azure(cloud))


def _plain(endpoint: str) -> dict[str, bool]:
    """Only an address that says so itself is spoken to without TLS."""
    return {"allow_http": endpoint.startswith("http://")}


def _of_s3(bucket: str, cloud: Cloud) -> dict[str, Any]:
    said: dict[str, Any] = dict(cloud.aws())
    if cloud.aws_checksum_algorithm != "none":
        said["checksum_algorithm"] = cloud.aws_checksum_algorithm
    if cloud.endpoint:
        said["endpoint"] = cloud.endpoint
    elif "." not in bucket:
        # Amazon's own; there a name with a dot in it would not fit the certificate.
        said["virtual_hosted_style_request"] = True
    return said


def _of_google(cloud: Cloud) -> dict[str, Any]:
    if cloud.google_service_account_key:
        return {"service_account_key": cloud.google_service_account_key}
    path = cloud.google_application_credentials
    return {"application_credentials": path} if path else {}


def _of_azure(cloud: Cloud) -> dict[str, Any]:
    said = {
        "account_name": cloud.azure_storage_account_name,
        "account_key": cloud.azure_storage_account_key,
        "sas_key": cloud.azure_storage_sas_key,
        "endpoint": cloud.azure_storage_endpoint,
    }
    return {name: value for name, value in said.items() if value}


@cache
def _kept(place: str, cloud: Cloud) -> CloudBucket:
    return CloudBucket(place, cloud)


def bucket(place: str) -> CloudBucket:
    """The one at that address, with the credentials of now; its connections are kept."""
    return _kept(place, Cloud())

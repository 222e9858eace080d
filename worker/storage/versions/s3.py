"""Versions and locks of S3. What obstore does not tell of them is asked by an address that it has signed."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.storage.interface import READ_BYTES, Stream
from worker.storage.passing import Passing
from worker.storage.refusals import translated
from worker.storage.versions.kept import Kept, Lock

_UNKEPT = "null"
"""The version of an object that was written while its bucket kept none."""
_RESUMES = 5
"""How often a version that breaks off on its way is taken up again with nothing having come since."""
_ASK_SECONDS, _GOOD_FOR = 20, timedelta(seconds=60)


class S3Versions:
    """Those of one bucket."""

    def __init__(self, place: str, endpoint: str, store: S3Store, ca: str) -> None:
        self.where = f"{place} {endpoint}"
        self._place, self._store, self._ca = place, store, ca

    def of(self, name: str) -> Kept | None:
        """The version that a file is now."""
        try:
            with translated(self._place, "read", name):
                there = obstore.head(self._store, name)
        except NotFoundError:
            return None
        version = there["version"]
        return Kept(None if version == _UNKEPT else version, there["e_tag"] or "", there["size"])

    def open(self, name: str, kept: Kept) -> Stream:
        """That version, to be read once."""
        return Stream(Passing(self._pieces(name, kept), kept.size, f"{self._place}/{name}"))

    def _pieces(self, name: str, kept: Kept) -> Iterator[bytes]:
        at = failed = 0
        with translated(self._place, "read", name):
            while at < kept.size and failed <= _RESUMES:
                failed += 1
                try:
                    for piece in self._get(name, kept, at).stream(min_chunk_size=READ_BYTES):
                        at, failed = at + len(piece), 0
                        yield bytes(piece)
                except (BaseError, OSError):
                    if failed > _RESUMES:
                        raise

    def _get(self, name: str, kept: Kept, start: int) -> Any:
        options: Any = {"version": kept.id, "range": {"offset": start}}
        try:
            return obstore.get(self._store, name, options=options)
        except FileNotFoundError:
            raise NotFoundError(
                f"{self._place} does not keep the version of {name} any more that was written: somebody, or a rule of the "
                "bucket, has destroyed it.",
                of=name,
            ) from None

    def lock(self, name: str) -> Lock | None:
        """What keeps it from being destroyed."""
        with translated(self._place, "read", name):
            address = obstore.sign(self._store, "HEAD", name, _GOOD_FOR)
        headers = self._headers(address)
        if headers is None:
            return None
        if headers["x-amz-object-lock-legal-hold"] == "ON":
            return Lock(None)
        until = headers["x-amz-object-lock-retain-until-date"]
        moment = datetime.fromisoformat(until) if until else None
        return Lock(moment) if moment and moment > datetime.now(UTC) else None

    def _headers(self, address: str) -> Message | None:
        """What is answered there; None where nothing is of that name. As long as it is good, the address is a secret."""
        request = Request(address, method="HEAD")  # noqa: S310 - of the scheme that the endpoint has
        try:
            with urlopen(request, timeout=_ASK_SECONDS, context=self._trust(address)) as answer:  # noqa: S310
                headers: Message = answer.headers
                return headers
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise StorageError(
                f"{self._place} does not let us see whether a file is locked ({error.code}): the credentials need the "
                "rights s3:GetObject, s3:GetObjectRetention and s3:GetObjectLegalHold."
            ) from None
        except OSError:
            raise StorageUnavailableError(
                f"{self._place} did not say whether a file is locked: look whether it is there, and try again."
            ) from None

    def _trust(self, address: str) -> ssl.SSLContext | None:
        if not address.startswith("https:"):
            return None
        context = ssl.create_default_context()
        if self._ca:
            context.load_verify_locations(cadata=self._ca)
        return context

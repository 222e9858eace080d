"""What obstore's errors mean: one plain sentence each, of which nothing was copied, so that no secret is in it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from obstore.exceptions import BaseError

from worker.errors import ForbiddenError, NotFoundError, StorageError, StorageUnavailableError, UsageError

Deed = Literal["list", "read", "write", "delete"]

_RIGHTS: dict[str, dict[Deed, str]] = {
    "s3": {"list": "s3:ListBucket", "read": "s3:GetObject", "write": "s3:PutObject", "delete": "s3:DeleteObject"},
    "gs": {
        "list": "storage.objects.list",
        "read": "storage.objects.get",
        "write": "storage.objects.create",
        "delete": "storage.objects.delete",
    },
    "az": dict.fromkeys(("list", "read", "write", "delete"), "Storage Blob Data Contributor"),
}
_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_CODES = {
    "InvalidAccessKeyId": "does not know the access key: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "does not accept the secret key: check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "does not accept the session token any more, it has expired: renew it",
    "InvalidToken": "does not accept the session token: check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "does not accept the time of this machine: set its clock",
    "AuthenticationFailed": "does not accept the key: check AZURE_STORAGE_ACCOUNT_KEY",
    "NoSuchBucket": "is in no bucket that exists: make the bucket, or correct the address",
    "ContainerNotFound": "is in no container that exists: make the container, or correct the address",
    "NoSuchUpload": "knows nothing any more of an upload that had begun: try again",
    "AuthorizationHeaderMalformed": "is in another region: set AWS_REGION",
    "PermanentRedirect": "is in another region: set AWS_REGION",
    "XMinioStorageFull": "is full: free some space, or keep fewer backups",
    "QuotaExceeded": "is full: free some space, or keep fewer backups",
    "ObjectLocked": "has locked that file: it can be deleted when its lock has run out",
}
"""What the code in an answer means, where it says more than its number."""
_NUMBERS = {"AccessDenied": 403, "InternalError": 500, "SlowDown": 503, "ServiceUnavailable": 503}
"""S3 deletes several at a time: that answer has the number 200, and a code for each that it did not delete."""
_SILENT = {
    "Timeout": "did not answer in time",
    "Connect": "cannot be reached",
}
_NO_CREDENTIALS = ("169.254.", "metadata.google", "CredentialsNotFound")
"""In an error, where obstore went to ask the machine itself for credentials."""


@dataclass(frozen=True)
class Refused:
    """What is known of a failure."""

    status: int | None
    code: str
    kind: str

    @classmethod
    def of(cls, text: str) -> "Refused":
        """Out of the text of an obstore error."""
        status = re.search(r"status code: (\d{3})|^\s*status: (\d{3}),", text, re.MULTILINE)
        kind = re.search(r"kind: (Connect|Timeout)", text)
        code = _first(
            re.search(r"<Code>([A-Za-z0-9.]{1,60})</Code>|DeleteFailed \{[^}]* code: \"([A-Za-z0-9.]{1,60})\"", text)
        )
        number = _first(status)
        return cls(int(number) if number else _NUMBERS.get(code), code, kind[1] if kind else "")


def _first(match: re.Match[str] | None) -> str:
    """The group that has matched."""
    return next(filter(None, match.groups()), "") if match else ""


@contextmanager
def translated(place: str, deed: Deed, name: str = "") -> Iterator[None]:
    """What obstore raises within becomes StorageError, or NotFoundError where only that object is missing."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise _meant(place, deed, name, error) from None


@contextmanager
def understood(place: str) -> Iterator[None]:
    """UsageError where credentials or addresses are not ones, or the needed ones are missing."""
    try:
        yield
    except (BaseError, OSError, ValueError):
        raise UsageError(
            f"There are no credentials for {place} that can be understood: look at {_KEYS[place.partition('://')[0]]}."
        ) from None


def _meant(place: str, deed: Deed, name: str, error: Exception) -> Exception:
    text = str(error)
    refused = Refused.of(text)
    if refused.code in _CODES:
        return StorageError(f"{place} {_CODES[refused.code]}.")
    if isinstance(error, FileNotFoundError) and name and deed == "read":
        return NotFoundError(f"There is no file {name} in {place}.", of=name)
    return _by_number(place, deed, refused) if refused.status else _by_silence(place, refused, text)


def _by_number(place: str, deed: Deed, refused: Refused) -> StorageError:
    scheme, status = place.partition("://")[0], refused.status or 0
    if status in (401, 403):
        right = _RIGHTS[scheme][deed]
        return ForbiddenError(
            f"{place} does not let us {deed} ({status}): the credentials need the right {right}, and {_KEYS[scheme]} must be "
            "theirs.",
            right=right,
        )
    if status in (429, 503):
        return StorageUnavailableError(f"{place} has too much to do ({status}), and stayed so: try again later.")
    if status == 507:
        return StorageError(f"{place} {_CODES['QuotaExceeded']}.")
    if status >= 500:
        return StorageUnavailableError(f"{place} has failed by its own account ({status}), again and again: try later.")
    if status == 404:
        return StorageError(f"{place} is not there (404): make the bucket, or correct the address.")
    code = f" {refused.code}" if refused.code else ""
    return StorageError(f"{place} refuses to {deed} ({status}{code}): look whether address and settings are right.")


def _by_silence(place: str, refused: Refused, text: str) -> StorageError:
    if "BareRedirect" in text:
        return StorageError(f"{place} {_CODES['PermanentRedirect']}.")
    if "certificate" in text.lower():
        return StorageError(
            f"The certificate of {place} is not accepted here: name that of its authority in AWS_CA_BUNDLE."
        )
    if any(sign in text for sign in _NO_CREDENTIALS):
        return StorageError(f"No credentials for {place} were found: set {_KEYS[place.partition('://')[0]]}.")
    what = _SILENT.get(refused.kind, "broke the connection off")
    return StorageUnavailableError(f"{place} {what}, again and again: look whether it is there, and try again.")

"""What rclone's errors mean: one plain sentence each, of which nothing was copied, so that no secret is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.storage.rclone.daemon import RefusedError, SilentError

Deed = Literal["list", "read", "write", "delete"]

_HOST_KEY = (
    "compare what `ssh-keyscan` prints for it with the keys on the server itself (/etc/ssh/ssh_host_*_key.pub), and write the "
    "right line into the file that SFTP_KNOWN_HOSTS_FILE names, else ~/.ssh/known_hosts"
)
_LOGINS = {
    "sftp": "SFTP_KEY_FILE or SFTP_PASSWORD",
    "webdav": "WEBDAV_PASSWORD or WEBDAV_BEARER_TOKEN",
    "webdavs": "WEBDAV_PASSWORD or WEBDAV_BEARER_TOKEN",
    "gdrive": "GDRIVE_TOKEN or GOOGLE_APPLICATION_CREDENTIALS",
    "rclone": "that remote in rclone.conf",
}
_FULL = "is full: free some space, or keep fewer backups"
_NOT_THERE = "is not there: make the folder, or correct the address"
_NO_RIGHT = "does not let us {deed}: the user there needs that right in the folder"

_LASTING = {
    "key mismatch": f"shows another host key than the one that is known, so nothing was sent: {_HOST_KEY}",
    "key is unknown": f"shows a host key that is not known, so nothing was sent: {_HOST_KEY}",
    "parse known_hosts_file": "cannot be checked, for the file that SFTP_KNOWN_HOSTS_FILE names is not one of known hosts",
    "passphrase protected": "needs the passphrase of the key: set SFTP_KEY_PASSPHRASE",
    "decryption password incorrect": "needs the passphrase of the key: SFTP_KEY_PASSPHRASE is not the right one",
    "parse private key": "cannot be entered, for SFTP_KEY_FILE holds no private key of SSH",
    "ssh-agent": "asks who we are: set SFTP_KEY_FILE or SFTP_PASSWORD, or run an SSH agent",
    "unable to authenticate": "does not let us in: check the user in the address, and {logins}",
    # What rclone makes of a password that is refused.
    "unexpected message type 51": "does not let us in: check the user in the address, and {logins}",
    "401 unauthorized": "does not let us in: check the user in the address, and {logins}",
    "do not have storage quota": "takes nothing from a service account, which has no room of its own: use a shared drive "
    "(GDRIVE_SHARED_DRIVE), GDRIVE_IMPERSONATE, or your own account by GDRIVE_TOKEN",
    "storagequotaexceeded": _FULL,
    "storage quota has been exceeded": _FULL,
    "no space left": _FULL,
    "insufficient storage": _FULL,
    "quota exceeded": _FULL,
    "invalid_grant": "does not accept the credentials any more: check {logins}, and get a new token by rclone",
    "invalid_client": "does not know GDRIVE_CLIENT_ID, or GDRIVE_CLIENT_SECRET is not its secret",
    "token expired": "does not accept the token any more: get a new one by rclone",
    "invalid authentication credentials": "does not let us in: check {logins}, and get a new token by rclone",
    "find section in config": "is a remote that rclone.conf does not have: RCLONE_CONFIG says which file is read",
    "couldn't decrypt": "is in an rclone.conf that is encrypted: set RCLONE_CONFIG_PASS",
    "unable to decrypt": "is in an rclone.conf that is encrypted: set RCLONE_CONFIG_PASS",
    "certificate": "shows a certificate that is not accepted here: name that of its authority in WEBDAV_CA_BUNDLE",
    "http response to https": "speaks no TLS: it is webdav://, and not webdavs://",
    "ssh_fx_failure": "has failed to {deed}, and does not say why: most often its disk is full",
    "permission denied": _NO_RIGHT,
    "ssh_fx_permission_denied": _NO_RIGHT,
    "403 forbidden": _NO_RIGHT,
    "insufficientfilepermissions": _NO_RIGHT,
    "directory not found": _NOT_THERE,
    "is a file not a directory": "is a file: correct the address, it must be that of a folder",
}
"""By what an error has in it, in small letters: what then does not change by itself."""
_PASSING = {
    "ratelimitexceeded": "has too much to do, and stayed so: try again later",
    "too many requests": "has too much to do, and stayed so: try again later",
    "no such host": "has a name that is not known: correct the address, or try again when names are resolved",
    "connection refused": "cannot be reached: look whether it is there, and try again",
    "network is unreachable": "cannot be reached: look whether it is there, and try again",
    "no route to host": "cannot be reached: look whether it is there, and try again",
    "timeout": "did not answer in time: look whether it is there, and try again",
    "deadline exceeded": "did not answer in time: look whether it is there, and try again",
}
"""And what may be otherwise the next time."""
_BROKEN_OFF = (
    "eof",
    "connection reset",
    "connection lost",
    "broken pipe",
    "closed network connection",
    "handshake failed",
    "500 internal",
    "502 bad",
    "503 service",
    "504 gateway",
    "transport connection broken",
)
_MISSING = ("object not found", "file does not exist", "no such file", "404 not found", "file not found")


@contextmanager
def translated(place: str, deed: Deed, name: str = "") -> Iterator[None]:
    """What rclone fails with within becomes StorageError, or NotFoundError where only that file is missing."""
    try:
        yield
    except RefusedError as refused:
        raise _meant(place, deed, name, refused.text.lower()) from None
    except SilentError as silent:
        what = "did not answer in time" if silent.late else "was given up, as rclone has ended"
        raise StorageUnavailableError(f"{place} {what}: look whether it is there, and try again.") from None


def _meant(place: str, deed: Deed, name: str, text: str) -> Exception:
    said = {"deed": deed, "logins": _LOGINS[place.partition("://")[0]]}
    for sign, meaning in _LASTING.items():
        if sign in text:
            return StorageError(f"{place} {meaning.format(**said)}.")
    for sign, meaning in _PASSING.items():
        if sign in text:
            return StorageUnavailableError(f"{place} {meaning}.")
    if any(sign in text for sign in _MISSING):
        if name:
            return NotFoundError(f"There is no file {name} in {place}.", of=name)
        return StorageError(f"{place} {_NOT_THERE}.")
    if any(sign in text for sign in _BROKEN_OFF):
        return StorageUnavailableError(f"{place} broke the connection off: look whether it is there, and try again.")
    return StorageError(
        f"{place} refuses to {deed}, for a reason that is not known here: look whether address and settings are right, and "
        "what `rclone` itself says of it."
    )

"""What rclone must know of an address: the kind of server there, who we are, and the folder."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from worker.config.rclone import RcloneLogins
from worker.errors import UsageError
from worker.storage.rclone.daemon import Kind

PLAIN = Kind()
_CONNECTIONS = "8"
"""At once to one server: sshd refuses by chance where more than ten knock at a time."""
_ADDRESS = re.compile(r"(?:(?P<user>[^@/]*)@)?(?P<host>\[[^]]*\]|[^:/]*)(?::(?P<port>\d+))?(?P<path>/.*)?")


@dataclass(frozen=True)
class Place:
    """A folder, as rclone is asked for it."""

    remote: str
    folder: str
    parameters: dict[str, str] = field(repr=False)
    """What that remote is, with secrets; empty where rclone.conf says it."""
    kind: Kind = PLAIN
    is_open: bool = False
    """Whether a half file may be seen there under its name, where rclone itself does not say so."""
    tries: int = 10
    """How often rclone itself tries each request: it must where a place asks for patience; elsewhere we do."""
    moves_over: bool = False
    """Whether a move replaces a file in one step, where rclone itself does not say so."""

    @property
    def root(self) -> str:
        """As rclone calls it."""
        return f"{self.remote}:{self.folder}"


def place_at(url: str, logins: RcloneLogins) -> Place:
    """The place of an address that `worker.config.storage_url` has spelt. UsageError where something is missing."""
    scheme, _, rest = url.partition("://")
    return _KINDS[scheme](rest, logins)


def _named(parameters: dict[str, str], folder: str) -> Place:
    """Under a name that says nothing and is the same for the same."""
    said = {name: value for name, value in parameters.items() if value}
    name = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return Place(f"remote-{name}", folder, said)


def _sftp(rest: str, logins: RcloneLogins) -> Place:
    user, host, port, path = _parts(rest)
    if not (known := logins.known_hosts).is_file():
        raise UsageError(
            f"There is no file of known host keys, so nobody can tell whether it is {host} that answers: write what "
            f"`ssh-keyscan -p {port or 22} {host}` prints into {known}, once it is the same as on the server, or name another "
            "file in SFTP_KNOWN_HOSTS_FILE."
        )
    parameters = {
        "type": "sftp",
        "host": host,
        "port": port or "22",
        "user": user,
        "key_pem": logins.sftp_key.strip().replace("\r", "").replace("\n", "\\n"),
        "key_file_pass": logins.sftp_key_passphrase,
        "pass": logins.sftp_password,
        "known_hosts_file": str(known),
        "connections": _CONNECTIONS,
        "skip_links": "true",
    }
    folder = path.removeprefix("/~").removeprefix("/") if path.startswith("/~/") or path == "/~" else path or "/"
    return replace(_named(parameters, folder), tries=1)


def _webdav(protocol: str) -> Callable[[str, RcloneLogins], Place]:
    def place(rest: str, logins: RcloneLogins) -> Place:
        user, host, port, path = _parts(rest)
        parameters = {
            "type": "webdav",
            "vendor": "other",
            "url": f"{protocol}://{host}{f':{port}' if port else ''}",
            "user": user,
            "pass": logins.webdav_password,
            "bearer_token": logins.webdav_bearer_token,
        }
        kind = Kind(ca=_file(logins.webdav_ca_bundle))
        return replace(_named(parameters, path.removeprefix("/")), kind=kind, tries=3, is_open=True, moves_over=True)

    return place


def _file(path: str) -> str:
    if path and not Path(path).is_file():
        raise UsageError(f"WEBDAV_CA_BUNDLE names a file that cannot be read: {path}")
    return path


def _drive(rest: str, logins: RcloneLogins) -> Place:
    folder_id, _, folder = rest.partition("/")
    parameters = {
        "type": "drive",
        "root_folder_id": folder_id,
        # A token has its own, which was agreed to.
        "scope": "drive",
        "client_id": logins.gdrive_client_id,
        "client_secret": logins.gdrive_client_secret,
        "token": logins.gdrive_token,
        "team_drive": logins.gdrive_shared_drive,
    }
    if not logins.gdrive_token:
        parameters |= {
            "service_account_file": logins.google_application_credentials,
            "service_account_credentials": logins.google_service_account_key,
            "impersonate": logins.gdrive_impersonate,
        }
        if not (logins.google_application_credentials or logins.google_service_account_key):
            raise UsageError(
                f"There are no credentials for gdrive://{rest}: set GDRIVE_TOKEN_FILE to the token that rclone got, or "
                "GOOGLE_APPLICATION_CREDENTIALS to the file of a service account."
            )
    return _named(parameters, folder)


def _configured(rest: str, logins: RcloneLogins) -> Place:
    remote, _, folder = rest.partition("/")
    config = Path(logins.rclone_config or "~/.config/rclone/rclone.conf").expanduser()
    return Place(remote, folder, {}, Kind(config=str(config)), is_open=True)


def _parts(rest: str) -> tuple[str, str, str, str]:
    """User, host, port and path; empty where there is none."""
    parts = _ADDRESS.fullmatch(rest)
    if parts is None:
        raise UsageError("The address of the storage cannot be taken apart.")
    return unquote(parts["user"] or ""), parts["host"], parts["port"] or "", parts["path"] or ""


_KINDS: dict[str, Callable[[str, RcloneLogins], Place]] = {
    "sftp": _sftp,
    "webdav": _webdav("http"),
    "webdavs": _webdav("https"),
    "gdrive": _drive,
    "rclone": _configured,
}

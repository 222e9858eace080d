"""What is to be on paper for the day when the machine is gone: where the backups lie, and how they come back. No secret is in it."""

from datetime import datetime
from pathlib import Path
from shlex import quote

from worker.config.age_keys import fingerprint
from worker.config.settings import Settings
from worker.config.storage_url import BY_RCLONE

KEY = "age-key.txt"
"""What the file with the secret key is called, where nobody has said it."""


def lines(
    settings: Settings, source: str | None, at: datetime, signer: str | None, key: str | None = None
) -> list[str]:
    """The sheet, line by line. `source` is the address of the server, `signer` the public key that manifests are signed with,
    `key` the path of the file with the secret key that backups are read with.
    """
    trusted = ",".join(dict.fromkeys(filter(None, (signer, *settings.backup_trusted_keys))))
    file = Path(key or settings.backup_age_identity_file or KEY).name
    return [
        f"REDIS BACKUP, recovery sheet of {at:%Y-%m-%d %H:%M} UTC",
        "Print it, and keep it with the secret key, away from the servers. It holds no secret itself.",
        "",
        f"Backups of:   {source or 'several servers'}",
        f"They lie in:  {_place(settings.backup_storage)}",
        *_keys(settings, file),
        *_access(settings),
        *_signers(trusted),
        "",
        "With this program, on any machine that reaches the storage, and into any Redis or Valkey:",
        f"  export BACKUP_STORAGE={quote(_place(settings.backup_storage))} REDIS_URL=redis://HOST:6379/0{_identity(settings, file)}{_trust(trusted)}",
        "  python -m worker list",
        "  python -m worker preview latest",
        "  python -m worker restore latest",
        "",
        f"Without it: take the newest file redis_backup_....rdb.* out of the storage{_tools(settings)}",
        *_by_hand(settings, file),
        "  redis-server --dir . --dbfilename dump.rdb --appendonly no",
        "",
        "Of a name that ends in .gz instead of .zst, `gunzip` takes the place of `zstd -d`; .json is for every tool.",
    ]


def _place(storage: str) -> str:
    plain = storage.removeprefix("file://")
    return plain if "://" in plain else str(Path(plain).resolve())


def _access(settings: Settings) -> list[str]:
    """What a bucket asks for besides; a folder asks for nothing."""
    if _place(settings.backup_storage).startswith("/"):
        return []
    credentials = (
        "To reach it:  the credentials of the storage, in the environment as they are here (they are not on this sheet)"
    )
    if _place(settings.backup_storage).partition("://")[0] in BY_RCLONE:
        return [credentials, "              and rclone: pip install -r requirements-rclone.txt"]
    return [credentials]


def _keys(settings: Settings, file: str) -> list[str]:
    recipients = settings.backup_age_recipients
    if not recipients:
        return ["Encrypted to: nobody, they are not encrypted"]
    shown = [
        f"Encrypted to: {fingerprint(recipients[0])}",
        *(f"              {fingerprint(recipient)}" for recipient in recipients[1:]),
    ]
    return [
        *shown,
        f"Secret key:   the file {file}, of which there must be a copy elsewhere; without it nobody can read them",
    ]


def _identity(settings: Settings, file: str) -> str:
    return f" BACKUP_AGE_IDENTITY_FILE={quote(file)}" if settings.backup_age_recipients else ""


def _signers(trusted: str) -> list[str]:
    if not trusted:
        return ["Signed by:    nobody yet; print this again when the first backup is made"]
    first, *others = trusted.split(",")
    return [f"Signed by:    {first}", *(f"              {other}" for other in others)]


def _trust(trusted: str) -> str:
    return f" BACKUP_TRUSTED_KEYS={trusted}" if trusted else ""


def _tools(settings: Settings) -> str:
    return ", with age, zstd and redis-server:" if settings.backup_age_recipients else ", with zstd and redis-server:"


def _by_hand(settings: Settings, file: str) -> list[str]:
    if settings.backup_age_recipients:
        return [f"  age -d -i {quote(file)} redis_backup_....rdb.zst.age | zstd -d > dump.rdb"]
    return ["  zstd -d redis_backup_....rdb.zst -o dump.rdb"]

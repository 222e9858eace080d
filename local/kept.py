"""Secrets that outlive a run: random words in `var/`, which this user alone can read."""

import os
import secrets
from pathlib import Path

_BYTES = 36


def secret(path: Path) -> str:
    """The one that is kept there; made at the first time, whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    if not path.exists():
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(_BYTES))
        beside.rename(path)
    # Whatever a copy or a backup of this folder has made of it.
    path.chmod(0o600)
    return path.read_text().strip()

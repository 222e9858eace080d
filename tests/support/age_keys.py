"""Keys to encrypt to, and the files with their secret halves; and Debian's `age`, where it is."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest

from worker.formats.encryption import Keys


@dataclass(frozen=True)
class Pair:
    """A key of a test: what backups are encrypted to, and the file that opens them."""

    recipient: str
    file: Path

    @property
    def keys(self) -> Keys:
        return Keys(str(self.file), None)

    @property
    def settings(self) -> dict[str, Any]:
        """Of a worker that both writes and reads."""
        return {"backup_age_recipients": self.recipient, "backup_age_identity_file": str(self.file)}


def age_pair(folder: Path, name: str = "key.txt") -> Pair:
    """A new key, as `age-keygen` writes it."""
    secret = pyrage.x25519.Identity.generate()
    file = folder / name
    file.write_text(f"# created: 2023-12-05T14:30:22Z\n# public key: {secret.to_public()}\n{secret}\n")
    return Pair(str(secret.to_public()), file)


def ssh_pair(folder: Path, kind: str, passphrase: str = "") -> Pair:
    """A new key of SSH."""
    file = folder / f"id_{kind}{len(passphrase)}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "me@here, too", "-f", file], check=True)
    return Pair(Path(f"{file}.pub").read_text(), file)


def age(*arguments: str, given: bytes = b"") -> bytes:
    """What the `age` of Debian makes of that. Where it is missing the test is skipped, and fails in CI."""
    if shutil.which("age") is None:
        if os.environ.get("CI"):
            pytest.fail("age is not installed")
        pytest.skip("age is not installed")
    return subprocess.run(["age", *arguments], input=given, capture_output=True, check=True).stdout

"""What a token may do: its scopes."""

from typing import Literal

Scope = Literal["read", "backup", "restore"]

SCOPES: dict[Scope, str] = {
    "read": "look and download",
    "backup": "make and verify",
    "restore": "restore, delete, prune, pin",
}
"""Each, and what it allows; `restore` is for whatever can lose data or fill the storage."""

"""What a token may do: its scopes."""

from typing import Literal

Scope = Literal["read", "backup", "restore", "delete", "schedule"]

SCOPES: dict[Scope, str] = {
    "read": "look and download",
    "backup": "make and verify",
    "restore": "restore, undo, pin, put back",
    "delete": "delete, prune",
    "schedule": "change the schedule, and keep more",
}
"""Each, and what it allows, and none allows what another does: whoever may bring backups back may not delete them."""

"""Golden files of retention: each says what there is, by which policy and when, and of every backup what becomes of it and why.

A file is some lines of `# what it shows`, then `now`, `tz` and `policy`, then a line a backup, newest first: the moment in
UTC, what is special about it, `->`, and the decision. `python -m tests.support.golden` writes the decisions anew; then read
what has changed.
"""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.backups import manifest_of
from worker.backups.retention.decide import decide
from worker.backups.retention.decision import Decision
from worker.backups.retention.policy import Policy
from worker.repository.manifest import Manifest, Origin, Size, artifact_name

FOLDER = Path(__file__).parents[1] / "backups/golden"


@dataclass(frozen=True)
class Case:
    """One file."""

    head: list[str]
    """Its first lines, as they stand there."""
    now: datetime
    policy: Policy
    backups: dict[str, str]
    """By name the line's left side."""
    manifests: list[Manifest]

    def decided(self) -> list[Decision]:
        """What retention says."""
        undos = [manifest for manifest in self.manifests if manifest.kind == "undo"]
        return decide([one for one in self.manifests if one.kind != "undo"], undos, self.policy, self.now)

    def text(self) -> str:
        """The whole file, with what retention says."""
        lines = [
            f"{self.backups[decision.manifest.name]} -> {'kept' if decision.keep else 'goes'}: {decision.reason}"
            for decision in self.decided()
        ]
        return "\n".join([*self.head, *lines]) + "\n"


def read(path: Path) -> Case:
    """The case in that file."""
    lines = path.read_text().splitlines()
    said = dict(line.split(": ", 1) for line in lines if line.startswith(("now: ", "tz: ", "policy: ")))
    head = [line for line in lines if line.startswith(("#", "now: ", "tz: ", "policy: "))]
    sides = [line.split(" -> ")[0].rstrip() for line in lines if line and line not in head]
    manifests = [_manifest(side) for side in sides]
    numbers = {name: float(number) for name, number in (each.split("=") for each in said["policy"].split())}
    whole: dict[str, Any] = {name: int(number) if number.is_integer() else number for name, number in numbers.items()}
    policy = Policy(**{"keep": 1, "keep_manual": 7, "undo_days": 7} | whole, tz=said["tz"])
    names = dict(zip((manifest.name for manifest in manifests), sides, strict=True))
    return Case(head, _moment(said["now"]), policy, names, manifests)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _manifest(side: str) -> Manifest:
    """Such as `2026-11-30 03:00 from=a:6379 keys=0 bytes=5 by='token ci' kind=partial pinned='why' suspicious rehearsed=...`."""
    words = shlex.split(side)
    at = _moment(" ".join(words[:2]))
    said = {name: value or "yes" for name, _, value in (word.partition("=") for word in words[2:])}
    databases = [int(said["db"])] if "db" in said else None
    made: dict[str, Any] = {
        "source": Origin(address=said.get("from", "here:6379"), databases=databases),
        "keys": None if said.get("keys") == "unknown" else int(said.get("keys", 1)),
        "bytes": Size(raw=int(said.get("bytes", 0)), stored=int(said.get("bytes", 0))),
        "kind": said.get("kind", "backup"),
        "pinned": "pinned" in said,
        "pin_reason": "" if said.get("pinned") in (None, "yes") else said["pinned"],
        "suspicious": ("3 keys are left of 1,000.",) if "suspicious" in said else (),
    }
    if "by" in said:
        made |= {"trigger": "manual", "asked_by": said["by"]}
    if "restored" in said:
        made["restored"] = artifact_name(_moment(said["restored"]), "rdb", ".zst")
    if "rehearsed" in said:
        made["rehearsed"] = rehearsal(_moment(said["rehearsed"]), is_good="failed" not in said)
    return manifest_of(artifact_name(at, "rdb", ".zst"), created_at=at).model_copy(update=made)


@dataclass(frozen=True)
class Came:
    """What a rehearsal has come to."""

    at: datetime
    is_good: bool


def rehearsal(at: datetime, *, is_good: bool) -> Any:
    """One of that moment."""
    return Came(at, is_good)


if __name__ == "__main__":
    for file in sorted(FOLDER.glob("*.txt")):
        file.write_text(read(file).text())

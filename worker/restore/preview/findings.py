"""What a preview found: keys counted by kind in all and by db, type and prefix, with samples, and what a restore would do."""

from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

from worker.arguments.restore import Request
from worker.engines.live import DIFFERING, Judged
from worker.errors import FormatError
from worker.formats.compare.values import KINDS, Kind
from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.repository.sound import Damage
from worker.restore.preview.samples import Samples
from worker.restore.selection.filters import LONGEST_PREFIX
from worker.restore.target.footprint import Cost
from worker.restore.target.needs import NOTHING, Needs

PREFIXES_SHOWN, PREFIXES_COUNTED = 20, 1000
NO_PREFIX, OTHERS = "(no prefix)", "(others)"

Counts = Counter[Kind]


class Findings:
    """Counts and samples, growing while keys go by; flat, however many there are."""

    def __init__(self, request: Request, needs: Needs) -> None:
        self.counts: Counts = Counter()
        self.needs = needs
        """How much the target's memory has to grow."""
        self.failing = 0
        """Keys that would be written and that the target does not load."""
        self.damage = Damage()
        """Keys whose values are damaged: a restore would not send them."""
        self._mode, self._kinds = request.mode, request.kinds
        self._prefixes: set[bytes] = set()
        self._groups: Counter[tuple[int, str, bytes | None, Kind]] = Counter()
        """By db, type, prefix (up to the first colon; None beyond PREFIXES_COUNTED of them) and kind."""
        self.samples = Samples(request)

    def add(self, pair: Judged) -> None:
        """Count a key of the backup."""
        backup, live, kind, sides = pair
        self._count(kind, [backup])
        if self.writes(kind) and kind in ("new", "differs"):
            self.needs.add(backup, sides.backup, self._cost(live, sides.live))
        self.samples.add(kind, backup, live, sides)

    def _cost(self, live: Entry | None, rdb_version: int | None) -> Cost:
        """What the live key costs; of a damaged one only its least and its most are known."""
        if live is None:
            return NOTHING
        with suppress(FormatError):
            return self.needs.footprint.of(live, rdb_version)
        return Cost(1, len(live.payload or b""))

    def add_alike(self, entries: list[Entry]) -> None:
        """Count keys of the backup of which the live ones are identical to the byte."""
        self._count("identical", entries)
        self.samples.add_alike(entries)

    def add_damaged(self, entry: Entry, why: str) -> None:
        """Count a key whose value is damaged."""
        self.damage.add(entry, why)
        self.samples.named.see(entry)

    def add_deleted(self, live: Entry) -> bool:
        """Count a live key that a mirror would delete; whether there is room for it among the samples."""
        self._count("deleted", [live])
        return self.samples.room("deleted")

    def writes(self, kind: Kind) -> bool:
        """Whether keys of this kind would be written."""
        if kind in ("expired", "deleted") or (self._kinds is not None and kind not in self._kinds):
            return False
        return kind == "new" or self._mode != "skip"

    @property
    def forecast(self) -> dict[str, int]:
        """What the restore's report will say."""
        of_backup = {kind: number for kind, number in self.counts.items() if kind not in ("expired", "deleted")}
        restored = sum(number for kind, number in of_backup.items() if self.writes(kind))
        failed = self.failing + self.damage.number
        return {
            "restored": restored - self.failing,
            "skipped": sum(of_backup.values()) - restored,
            "differing": sum(self.counts[kind] for kind in DIFFERING if not self.writes(kind)),
            "expired": self.counts["expired"],
            "failed": failed,
            # Only a mirror that could write all of it deletes anything.
            "deleted": 0 if failed else self.counts["deleted"],
        }

    def as_dict(self) -> dict[str, Any]:
        """For results."""
        by_db, by_type, by_prefix = (self._grouped(place) for place in range(3))
        return {
            "counts": {kind: self.counts[kind] for kind in KINDS},
            "by_db": {str(db): _present(counts) for db, counts in sorted(by_db.items())},
            "by_type": {kind: _present(counts) for kind, counts in sorted(by_type.items())},
            "by_prefix": _most(by_prefix),
            "forecast": self.forecast,
            "damaged": self.damage.shown,
            **self.samples.as_dict(),
        }

    def _count(self, kind: Kind, entries: list[Entry]) -> None:
        self.counts[kind] += len(entries)
        # One counter for all three, because this runs for every key.
        groups = Counter(
            # As `prefix_of`, spelt out.
            [(db, type_, key[: key.find(b":", 0, LONGEST_PREFIX) + 1]) for db, key, _, type_, *_ in entries]
        )
        for (db, type_, prefix), number in groups.items():
            if len(self._prefixes) < PREFIXES_COUNTED:
                self._prefixes.add(prefix)
            self._groups[db, type_, prefix if prefix in self._prefixes else None, kind] += number

    def _grouped(self, place: int) -> dict[Any, Counts]:
        """The counts by db, type or prefix, as `place` says."""
        counts: defaultdict[Any, Counts] = defaultdict(Counter)
        for group, number in self._groups.items():
            counts[group[place]][group[3]] += number
        return counts


def _most(by_prefix: dict[bytes | None, Counts]) -> dict[str, dict[str, int]]:
    """The prefixes with the most keys, as text, and the rest in one sum."""
    others = by_prefix.pop(None, Counter())
    ordered = sorted(by_prefix.items(), key=lambda item: (-item[1].total(), item[0] or b""))
    for _, counts in ordered[PREFIXES_SHOWN:]:
        others.update(counts)
    shown = {key_text(prefix) if prefix else NO_PREFIX: _present(counts) for prefix, counts in ordered[:PREFIXES_SHOWN]}
    return shown | ({OTHERS: _present(others)} if others else {})


def _present(counts: Counts) -> dict[str, int]:
    return {kind: counts[kind] for kind in KINDS if counts[kind]}

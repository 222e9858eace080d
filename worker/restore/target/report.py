"""What a restore did: counted key by key, shown as numbers and as half a sentence."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.restore.target.aftermath import Aftermath

FAILURES_SHOWN = 20
KEYS_NAMED = 3
_SHOWN_BYTES = 200


@dataclass
class Report:
    """What a restore did, in numbers of keys; `failures` are the first ones, each with db, key, type and error."""

    restored: int = 0
    skipped: int = 0
    differing: int | None = 0
    """Skipped keys whose value or expiry differs from the backup; None where that is not known."""
    expired: int = 0
    failed: int = 0
    taken: int = 0
    """Keys that were taken from the backup: at the end each of them has one of the outcomes above."""
    evicted: int = 0
    """Keys that the target evicted meanwhile; no server says which."""
    built: int = 0
    """Restored keys that commands built from their values, because the target does not load them as they are."""
    lost: int = 0
    """Hashes whose fields expired one by one, which the target does not know: those fields stay for good."""
    lost_keys: list[dict[str, Any]] = field(default_factory=list)
    """The first of them, each with db and key."""
    functions: int = 0
    deleted: int = 0
    """Keys of the target that the backup does not have: of these a mirror leaves none."""
    unconfirmed: int = 0
    """Keys that were on their way when it was cut off: at the most so many more than were restored are there."""
    unconfirmed_keys: list[dict[str, Any]] = field(default_factory=list)
    """The first of them, each with db and key."""
    undeleted: int = 0
    """Keys whose deletion was on its way."""
    unfinished: int = 0
    """At the most so many values were half built under temporary names then; they expire within an hour."""
    keys_before: int | None = None
    """What the target held in all before the first key was written; None where it was not asked."""
    keys_after: int | None = None
    """What it held after the last one, or as soon as it was cut off."""
    wiped: str | None = None
    """What emptied the target meanwhile or exchanged what is in it, as a clause."""
    gone: int = 0
    """At least so many of the restored keys are not there any more, by the numbers of keys."""
    cut_short: bool = False
    """Whether it ended early."""
    way: Literal["replication", "keys"] | None = None
    """How it was written: the target loaded the backup as one file, or key by key."""
    reason: str | None = None
    """Why it was written that way."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    passed_over: Callable[[Entry], None] | None = None
    """Called for each key that the target had already."""

    @property
    def keys(self) -> int:
        """All that were looked at."""
        return self.restored + self.skipped + self.expired + self.failed

    @property
    def complete(self) -> bool:
        """Whether every key is where it should be."""
        return not (self.failed or self.evicted or (self.wiped and self.gone))

    @property
    def written(self) -> str:
        """The counts as half a sentence."""
        return counts(self.as_dict())

    def skip(self, entry: Entry) -> None:
        """Count a key that is there already, and is left alone."""
        self.skipped += 1
        if self.passed_over is not None:
            self.passed_over(entry)

    @property
    def there(self) -> str:
        """How many keys the target holds, as a sentence behind another one; nothing where it was not asked."""
        if self.keys_after is None:
            return ""
        others = f", but {self.wiped}" if self.wiped else ""
        return f" The target holds {self.keys_after:,} keys now, and {self.keys_before:,} before{others}."

    def account(self, aftermath: Aftermath) -> None:
        """Take in what happened to the target meanwhile."""
        self.keys_before, self.keys_after = aftermath.before, aftermath.after
        self.evicted, self.wiped, self.gone = aftermath.evicted, aftermath.wiped, aftermath.gone
        if self.evicted:
            self.warn(
                f"The target evicted {self.evicted:,} keys for want of memory while this ran, of the backup or others: raise "
                "maxmemory, and run the same again."
            )
        if aftermath.excess:
            self.warn(
                f"The target holds {aftermath.excess:,} bytes more than its maxmemory, and takes no more writes: raise maxmemory."
            )
        if self.wiped:
            lost = f", and at least {self.gone:,} of the keys that were written are gone" if self.gone else ""
            self.warn(
                f"Others were at work on the target: {self.wiped}{lost}. Look at what is there, and run the same again."
            )
        elif self.gone:
            self.warn(
                f"At least {self.gone:,} of the keys that were written are gone: others have deleted them meanwhile."
            )

    def fail(self, entry: Entry, error: object) -> None:
        """Count a key that could not be written."""
        self.failed += 1
        if len(self.failures) < FAILURES_SHOWN:
            self.failures.append(
                {"db": entry.db, "key": shown(entry.key), "type": entry.type, "error": _explained(str(error))}
            )

    def refuse(self, entry: Entry, why: str) -> None:
        """Count a key that was not sent: its value is damaged."""
        self.taken += 1
        self.fail(entry, f"its value is damaged, and the target was not given it: {why}")

    def await_in_vain(self, entry: Entry) -> None:
        """Count a key that was sent and not answered."""
        self.unconfirmed += 1
        if len(self.unconfirmed_keys) < FAILURES_SHOWN:
            self.unconfirmed_keys.append({"db": entry.db, "key": shown(entry.key)})

    def lose(self, entry: Entry) -> None:
        """Count a hash whose fields do not expire any more."""
        self.lost += 1
        if len(self.lost_keys) < FAILURES_SHOWN:
            self.lost_keys.append({"db": entry.db, "key": shown(entry.key)})

    def warn(self, what: str) -> None:
        """Say something once, however often it happens."""
        if what not in self.warnings:
            self.warnings.append(what)

    def as_dict(self) -> dict[str, Any]:
        """For results and logs."""
        fields = asdict(replace(self, passed_over=None))
        del fields["taken"], fields["passed_over"]
        return fields


def shown(key: bytes) -> str:
    """A key in a report: as it can be asked for, unless it is longer than that."""
    return key_text(key[:_SHOWN_BYTES])


def losing(number: int, keys: list[dict[str, Any]]) -> str:
    """What hashes lose on a server that knows no expiry of fields, in half a sentence."""
    lose = "1 hash loses" if number == 1 else f"{number:,} hashes lose"
    return f"{lose} the expiry of single fields, which the target does not know: {first_of(number, keys)}"


def first_of(number: int, keys: list[dict[str, Any]]) -> str:
    """The first ones of so many keys, each with its database."""
    named = ", ".join(f"'{key['key']}' of database {key['db']}" for key in keys[:KEYS_NAMED])
    return named + (", ..." if number > KEYS_NAMED else "")


def building(number: int, rdb_version: int) -> str:
    """Why values are built, in half a sentence."""
    built = "1 key is built from its value" if number == 1 else f"{number:,} keys are built from their values"
    return f"{built}, for the target does not load RDB version {rdb_version} as it is"


def counts(report: dict[str, Any]) -> str:
    """How many keys of each kind, out of a report as a dict."""
    shown = ("restored", "skipped", "expired", "failed", *(what for what in ("deleted", "evicted") if report.get(what)))
    differing = report.get("differing")
    stay = "differs and stays as it is" if differing == 1 else "differ and stay as they are"
    besides = {"skipped": f" ({differing:,} of them {stay})" if differing else ""}
    return ", ".join(f"{report[what]:,} {what}{besides.get(what, '')}" for what in shown) + on_their_way(report)


def on_their_way(report: dict[str, Any]) -> str:
    """What nobody knows about after a cut, as the rest of a sentence that tells what is known."""
    unknown = []
    if number := report.get("unconfirmed"):
        unknown.append(f"up to {number:,} more were on their way")
    if number := report.get("undeleted"):
        unknown.append(f"up to {number:,} more may be deleted")
    if number := report.get("unfinished"):
        unknown.append(f"up to {number:,} unfinished values go by themselves within an hour (redis_backup:...)")
    return " are confirmed, and " + ", and ".join(unknown) if unknown else ""


def _explained(words: str) -> str:
    if "Bad data format" in words:
        return f"{words}: the target does not know this encoding, or the value is damaged; a json backup may go in"
    return words

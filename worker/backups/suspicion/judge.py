"""A backup held against the last good ones of its source: what fell, in sentences. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from statistics import median

from worker.backups.retention.clock import newest_first
from worker.backups.retention.pools import Lane, lane_of
from worker.backups.suspicion import prefixes
from worker.config.settings import Settings
from worker.repository.manifest import Manifest

COMPARED = 10
"""Good ones before it that a backup is held against."""
LOOKED_AT = 40
"""Earlier ones that are looked at: among them are the good ones that count."""
AGREEING = 3
"""That many more like a suspicious one, and it is how things are now."""
SHARE_JUMPED, FEWEST_KEYS = 0.5, 100
"""By how much of all keys the share of expiring ones may grow, where there are so many keys."""


@dataclass(frozen=True)
class Thresholds:
    """By how many percent keys and bytes may fall against the median of the last good ones."""

    keys: float = 50
    bytes: float = 50


def thresholds_of(settings: Settings) -> Thresholds:
    """As the settings say."""
    return Thresholds(settings.backup_suspicious_keys, settings.backup_suspicious_bytes)


def judge(new: Manifest, earlier: Iterable[Manifest], thresholds: Thresholds) -> tuple[str, ...]:
    """What makes `new` suspicious; nothing, where the suspicious ones before it are alike and were enough to agree with.

    `earlier` may be any backups; those of the same source that are older count.
    """
    comparable = (backup for backup in newest_first(earlier) if _is_comparable(backup, new))
    usual, doubted = _usual([*islice(comparable, LOOKED_AT)], thresholds)
    fell = _fallen(new, usual, thresholds)
    if fell and len(doubted) >= AGREEING and not _fallen(new, doubted, thresholds):
        return ()
    return fell


def watched(backups: list[Manifest], thresholds: Thresholds, now: datetime) -> list[Manifest]:
    """The same, where the newest of each source is suspicious as well if only nobody has noted it: its run was killed before that."""
    lanes: defaultdict[Lane, list[Manifest]] = defaultdict(list)
    for backup in newest_first(backups):
        if backup.kind in ("backup", "part") and not backup.is_ahead(now):
            lanes[lane_of(backup)].append(backup)
    fell = {
        newest.name: sentences
        for newest, *others in lanes.values()
        if not (newest.suspicious or newest.accepted_at) and (sentences := judge(newest, others, thresholds))
    }
    return [
        backup.model_copy(update={"suspicious": fell[backup.name]}) if backup.name in fell else backup
        for backup in backups
    ]


def _is_comparable(backup: Manifest, new: Manifest) -> bool:
    """What was adopted was made elsewhere; a node of a cluster may have got other slots."""
    return (
        (backup.kind, backup.scope, backup.source.slots) == (new.kind, new.scope, new.source.slots)
        and backup.name != new.name
        and backup.created_at <= new.created_at
    )


def _usual(newest_first: list[Manifest], thresholds: Thresholds) -> tuple[list[Manifest], list[Manifest]]:
    """How things were, by the last good ones, and the suspicious ones since then."""
    usual, doubted = list[Manifest](), list[Manifest]()
    for backup in reversed(newest_first):
        if backup.suspicious:
            doubted.append(backup)
            continue
        # One that fell and is not suspicious was accepted, or enough others agreed: things are like that since.
        is_new_state = backup.accepted_at is not None or _fallen(backup, usual, thresholds)
        usual, doubted = [*([] if is_new_state else usual[1 - COMPARED :]), backup], []
    return usual, doubted


def _fallen(new: Manifest, usual: list[Manifest], thresholds: Thresholds) -> tuple[str, ...]:
    if not usual:
        return ()
    sentences = [
        _keys(new, usual, thresholds.keys),
        _bytes(new, usual, thresholds.bytes),
        *_databases(new, usual),
        _share(new, usual),
        prefixes.fallen(new, usual, thresholds.keys),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _before(usual: list[Manifest]) -> str:
    return "the good one before it" if len(usual) == 1 else f"the last {len(usual)} good ones"


def _keys(new: Manifest, usual: list[Manifest], most: float) -> str | None:
    had = median(backup.keys for backup in usual if backup.keys is not None) if _are_counted(usual) else 0
    if new.keys is None or not had:
        return None
    middle = f"{had:,.0f}{'' if len(usual) == 1 else ' in the middle'}"
    if new.keys == 0:
        return f"It is empty, and {_before(usual)} held {middle} keys."
    if not _fell(new.keys, had, most):
        return None
    return f"It holds {new.keys:,} {'key' if new.keys == 1 else 'keys'}, and {_before(usual)} held {middle}."


def _are_counted(usual: list[Manifest]) -> bool:
    return any(backup.keys is not None for backup in usual)


def _bytes(new: Manifest, usual: list[Manifest], most: float) -> str | None:
    """Of the dump itself, however it is compressed; one format is larger than the other."""
    sizes = [backup.bytes.raw for backup in usual if backup.data_format == new.data_format]
    if not sizes or not _fell(new.bytes.raw, median(sizes), most):
        return None
    return f"Its data takes {new.bytes.raw:,} bytes, and that of {_before(usual)} took {median(sizes):,.0f}."


def _fell(now: float, before: float, most: float) -> bool:
    """By more than so many percent."""
    return now * 100 < before * (100 - most)


def _databases(new: Manifest, usual: list[Manifest]) -> list[str]:
    """What all of them had."""
    if new.keys is None or not _are_counted(usual):
        return []
    in_all = set.intersection(*({*_by_db(backup)} for backup in usual if backup.keys is not None))
    return [
        f"Database {db} is empty, and {_before(usual)} held {median(_by_db(backup).get(db, 0) for backup in usual):,.0f} keys in it."
        for db in sorted(in_all - {*_by_db(new)})
        if new.keys
    ]


def _by_db(backup: Manifest) -> dict[int, int]:
    counts = {db: sum(kinds.values()) for db, kinds in backup.keys_by_db.items()}
    return {db: number for db, number in counts.items() if number}


def _share(new: Manifest, usual: list[Manifest]) -> str | None:
    """Keys that will be gone by themselves."""
    shares = [backup.expiring / backup.keys for backup in usual if backup.keys]
    if not shares or not new.keys or new.keys < FEWEST_KEYS:
        return None
    share, had = new.expiring / new.keys, median(shares)
    if share - had <= SHARE_JUMPED:
        return None
    return f"{share:.0%} of its keys expire, and of {_before(usual)} {had:.0%} did."

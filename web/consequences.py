"""What a restore is going to do, in words, before anybody starts it. Pure."""

from collections.abc import Iterator
from typing import Any

from web.telling import narrowing
from web.words import counted, listed
from worker.manifest import Manifest


def at_most(manifest: Manifest, told: dict[str, Any]) -> int | None:
    """How many keys can be meant: all of the chosen databases and types; None where the backup was not counted."""
    if manifest.keys is None:
        return None
    databases, types = told.get("databases"), told.get("types")
    return sum(
        number
        for db, kinds in manifest.keys_by_db.items()
        if databases is None or db in databases
        for kind, number in kinds.items()
        if types is None or kind in types
    )


def of_restore(manifest: Manifest, told: dict[str, Any], target: str | None) -> Iterator[str]:
    """Sentences; `told` are a restore's arguments, `target` is where it writes."""
    keys = at_most(manifest, told)
    narrowed = narrowing(told)
    up_to = "up to " if told.get("match") else ""
    part = f" ({narrowed})" if narrowed else ""
    yield "It reads the whole file first, and stops before the first key if a single byte of it is wrong."
    yield f"Then it writes {up_to}{counted(keys, 'key')}{part} into {target or 'the source'}."
    if told.get("mode") == "overwrite":
        yield (
            "A key that exists there is replaced by the one from the backup: what was written to it since then is lost."
        )
    else:
        yield "A key that exists there is left exactly as it is."
    yield "Keys that the backup does not have stay as they are. Keys whose time has run out since are not brought back."
    if manifest.functions:
        what = "are left out, for only a part is restored" if narrowed else "are restored as well"
        yield f"Its {counted(manifest.functions, 'function library').replace('librarys', 'libraries')} {what}."
    if manifest.source.address and target and manifest.source.address != target:
        yield f"Mind that this backup is of another server, {manifest.source.address}."
    missing = sorted(set(told.get("databases") or ()) - set(manifest.keys_by_db))
    if missing:
        yield f"The backup has no database {listed(missing, 'or')}."

"""What a restore is going to do, in words, before anybody starts it. Pure."""

from collections.abc import Iterator
from typing import Any

from web.wording import restores
from web.wording.numbers import counted, listed
from worker.repository.manifest import Manifest

MODES = {
    "skip": (
        "A key that exists there is left exactly as it is, also where it differs from the backup: how many do is counted at "
        "the end."
    ),
    "overwrite": (
        "A key that exists there is replaced by the one from the backup: what was written to it since then is lost."
    ),
    "mirror": (
        "A key that exists there is replaced by the one from the backup, and a key that the backup does not have is "
        "deleted: afterwards there is what the backup holds, and nothing else."
    ),
}
MIRRORED_PART = (
    "A key that exists there is replaced by the one from the backup. Of the keys there that belong to this part, those that "
    "the backup does not have are deleted; all others stay as they are."
)

RISKS = {
    "changed": ("Restore all the same", "What has changed there since the preview is treated like all the rest."),
    "full": (
        "Restore, though it may become full",
        "The restore stops when the target is full. What it wrote by then stays, and the target takes no more writes until "
        "something is deleted there.",
    ),
    "eviction": (
        "Restore, though it may throw keys out",
        "When the target is full it throws keys out, its own too, and the restore stops at the first, unless it is a mirror "
        "that is loaded as one file. What was thrown out is lost: an undo brings back only what the restore itself replaces "
        "or deletes.",
    ),
    "replicas": (
        "Restore, into its replicas too",
        "Each replica of the target loads the backup as well, in the place of its data.",
    ),
    "partial": (
        "Mirror it, though it is partial",
        "Every key there that this backup does not hold is deleted, also those that it should hold and does not.",
    ),
}
"""For each risk of a refused restore: the button that goes on all the same, and what may happen then."""
_IN_WANT = (
    "Where there is too little, it stops when the target is full, or once the target throws keys out, its own too."
)


def at_most(manifest: Manifest, arguments: dict[str, Any]) -> int | None:
    """The most keys that can be meant: all of the chosen databases and types; None where the backup was not counted."""
    if manifest.keys is None:
        return None
    databases, types, keys = arguments.get("databases"), arguments.get("types"), arguments.get("keys")
    fitting = {
        db: sum(number for kind, number in kinds.items() if types is None or kind in types)
        for db, kinds in manifest.keys_by_db.items()
        if databases is None or db in databases
    }
    # A key that is named may be in each of the databases.
    return sum(number if keys is None else min(number, len(keys)) for number in fitting.values())


def of_restore(manifest: Manifest, arguments: dict[str, Any], target: str | None, undo_days: int = 0) -> Iterator[str]:
    """Sentences; `arguments` are a restore's, `target` is where it writes, `undo_days` how long it can be undone."""
    narrowed, mode = restores.narrowing(arguments), str(arguments.get("mode") or "skip")
    where = f" in {arguments['storage']}" if arguments.get("storage") else ""
    yield f"It reads the whole file{where} first, and stops before the first key if a single byte of it is wrong."
    if arguments.get("preview"):
        yield _since_the_preview(arguments)
    if undo_days:
        what = "all that is there" if mode == "mirror" else "what is there under those keys"
        yield f"Then it keeps {what}, for {counted(undo_days, 'day')}, so that the restore can be undone."
    if arguments.get("force"):
        yield f"It does not look first whether the target has the memory. {_IN_WANT}"
    up_to = "up to " if _vague(arguments) else ""
    part = f" ({narrowed})" if narrowed else ""
    yield f"Then it writes {up_to}{counted(at_most(manifest, arguments), 'key')}{part} into {target or 'the source'}."
    yield MIRRORED_PART if mode == "mirror" and _is_a_part(arguments) else MODES.get(mode, MODES["skip"])
    if mode != "mirror":
        yield "Keys that the backup does not have stay as they are."
    yield from restores.consequences(arguments)
    yield from _notes(manifest, arguments, target)


def in_any_case(manifest: Manifest, arguments: dict[str, Any]) -> str:
    """What a restore with `force` overrides, in sentences."""
    mirror = arguments.get("mode") == "mirror"
    return " ".join(
        sentence
        for sentence, true in (
            ("Also where the target has changed since the preview.", arguments.get("preview")),
            (f"Also where the target seems to have too little memory. {_IN_WANT}", True),
            ("Also where the target has replicas, which load the backup as well.", mirror),
            (
                "Also though the backup is partial, and the keys that it lacks are deleted.",
                mirror and manifest.lacks_keys,
            ),
        )
        if true
    )


def of_undo(kept: Manifest) -> Iterator[str]:
    """Sentences about what an undo is going to do with what was kept."""
    what = "It reads both files first, the one that was restored and what was kept before it, and stops before the first key"
    yield f"{what} if a single byte is wrong."
    if not kept.names_only:
        yield f"Then it puts up to {counted(kept.keys, 'key')} back as they were before the restore, expiry times included."
    yield "Keys that the restore created are deleted."
    yield "Keys that others have changed since are left alone and named in the report, unless you say otherwise below."
    if kept.undone_at:
        yield "This restore was undone already: there is nothing left to put back but what others have changed since."


def _is_a_part(arguments: dict[str, Any]) -> bool:
    return bool(restores.narrowing(arguments) or restores.pairs(arguments) or arguments.get("prefix"))


def _vague(arguments: dict[str, Any]) -> bool:
    return any(arguments.get(name) for name in ("match", "exclude", "keys", "kinds", "strip_prefix"))


def _since_the_preview(arguments: dict[str, Any]) -> str:
    if arguments.get("force"):
        return "Then it goes on, also where the target has changed since the preview."
    return "Then it looks whether the target has changed since the preview, and stops if it has."


def _notes(manifest: Manifest, arguments: dict[str, Any], target: str | None) -> Iterator[str]:
    part = restores.narrowing(arguments) or arguments.get("prefix") or arguments.get("strip_prefix")
    if manifest.functions:
        several = manifest.functions > 1
        libraries = f"{manifest.functions:,} function libraries" if several else "function library"
        are = "are" if several else "is"
        what = f"{are} left out, for only a part is restored" if part else f"{are} restored as well"
        yield f"Its {libraries} {what}."
    if manifest.lacks_keys:
        what = "partial" if manifest.kind == "partial" else "a part"
        yield f"Mind that this backup is {what}: it does not hold all the keys that there were."
    if manifest.source.address and target and manifest.source.address != target:
        yield f"Mind that this backup is of another server, {manifest.source.address}."
    missing = sorted(set(arguments.get("databases") or ()) - set(manifest.keys_by_db))
    if missing:
        yield f"The backup has no database {listed(missing, 'or')}."

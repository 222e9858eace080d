"""What reads a backup and writes nothing: verify, a preview where all keys are as they were, and searches."""

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded
from benchmarks.made import Backup
from benchmarks.results import WHOLE, Row
from worker.formats.key_text import key_text

VERIFY, PREVIEW = "verify", "preview, all identical"
SEARCH, SEARCH_PATTERN = "search of a key, without an index", "search of a pattern"


def run(loaded: Loaded, backup: Backup, rounds: int) -> list[Row]:
    """Time them in turn."""
    name, storage, source = backup.manifest.name, backup.storage, loaded.server

    def verify() -> Outcome:
        return Outcome(loaded.place.ours("verify", name, source=source, storage=storage)[0])

    def preview() -> Outcome:
        words = ("preview", name, "--mode", "overwrite")
        took, data = loaded.place.ours(*words, source=source, storage=storage)
        other = loaded.shape.keys - data["counts"]["identical"]
        return Outcome(took, f"calls {other:,} keys different" if other else WHOLE)

    def search(*words: str) -> Outcome:
        for index in backup.storage.glob("*.index"):
            index.unlink()
        took, data = loaded.place.ours("search", *words, "--no-live", source=source, storage=storage)
        return Outcome(took, WHOLE if data.get("found") or data.get("total") else "did not find it")

    key = key_text(source.ask("RANDOMKEY"))
    found = [
        Contestant(VERIFY, "ours", verify),
        Contestant(PREVIEW, "ours", preview),
        Contestant(SEARCH, "ours", lambda: search(key)),
        Contestant(SEARCH_PATTERN, "ours", lambda: search("--match", f"{key[:-1]}?")),
    ]
    return contest("look", loaded.shape, found, rounds, loaded.place.told)

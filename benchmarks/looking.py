"""What reads a backup and writes nothing: verify, and a preview where all keys are as they were."""

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded
from benchmarks.made import Backup
from benchmarks.results import WHOLE, Row

VERIFY, PREVIEW = "verify", "preview, all identical"


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

    found = [Contestant(VERIFY, "ours", verify), Contestant(PREVIEW, "ours", preview)]
    return contest("look", loaded.shape, found, rounds, loaded.place.told)

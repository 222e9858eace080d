"""A chain as the folder that a stock server loads: its base, and what the source sent since, up to a moment."""

from pathlib import Path
from typing import Any

from worker.config.settings import Settings
from worker.errors import UsageError
from worker.progress import Progress
from worker.restore.selection.held import recording
from worker.segments.playing import aof
from worker.segments.playing.made import moment_of, write_folder


def export_chain(settings: Settings, moment: str | None, folder: Path, progress: Progress) -> dict[str, Any]:
    """Write the folder, which must not be there yet, and is there whole or not at all; what was written.

    Without a moment all that there is of the stream is played. Raises NotFoundError, UsageError, ArtifactError and StorageError.
    """
    if not folder.parent.is_dir():
        raise UsageError(f"There is no folder {folder.parent}: make it first, or name another with --aof.")
    recorded = recording(settings, moment)
    written = write_folder(settings, recorded, folder, progress)
    return {
        "folder": str(folder),
        "base": recorded.base.name,
        "moment": moment_of(recorded),
        "offset": recorded.offset,
        "in_one_file": aof.in_one_file(recorded.base),
        "bytes": written.bytes,
    }

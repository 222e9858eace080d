"""Everything that can go wrong, drawn once: each error is one plain sentence that says what to do next.

Foreign errors (redis, the file system, decoders) are translated where they are met; none of these carries a secret.
Each takes one message, because Celery's JSON results can carry no more than that.
"""

from typing import Any, Literal

Risk = Literal["changed", "full", "eviction", "replicas", "partial"]
"""What somebody takes upon themselves who restores all the same (`force`): the target has changed since the preview, may
become full, may throw keys out then, has replicas that load the backup as well; a mirror of a partial backup deletes.
"""


class BackupSystemError(Exception):
    """Any failure that this product understands; `str()` of it is fit for a person to read."""

    report: dict[str, Any] | None = None
    """What had been done by then, where that is known; a task's result does not carry it."""

    def __init__(self, message: str, *, risk: Risk | None = None, of: str | None = None) -> None:
        """`risk` where `force` would go on; a run carries it, and a task's result does not. `of` is the name of the file that
        the message names.
        """
        super().__init__(message)
        self.risk, self.of = risk, of


class UsageError(BackupSystemError):
    """The caller asked for something that cannot be: a wrong argument, a wrong setting."""


class NotFoundError(BackupSystemError):
    """There is no backup of that name."""


class BusyError(BackupSystemError):
    """Somebody else is at work on the same thing."""


class StoppedError(BackupSystemError):
    """Somebody has asked the run to stop before its end."""


class CancelledError(StoppedError):
    """Somebody has cancelled the run."""


class LostError(BusyError):
    """This run can no longer prove that nobody else is at work: it stood still for too long, or was taken for dead."""


class RefusedError(BackupSystemError):
    """A check said no before anything was written."""


class SealedError(RefusedError):
    """A backup is encrypted, and no key here opens it."""


class TemporaryError(BackupSystemError):
    """Trying again later can help: a server that is away, loading, or full."""


class BrokerUnavailableError(TemporaryError):
    """The broker cannot be reached at the moment."""


class SourceError(BackupSystemError):
    """The source cannot be read."""


class SourceUnavailableError(TemporaryError, SourceError):
    """The source cannot be reached at the moment."""


class PartialError(SourceUnavailableError):
    """A backup ran to its end and does not hold all that it should: it was kept, and counts as none."""


class TargetError(BackupSystemError):
    """The target cannot be written."""


class IncompleteError(TargetError):
    """A restore ran to its end, and some keys could not be written."""


class ScratchError(BackupSystemError):
    """A server of our own did not start, or went away: that says nothing about what it was given."""


class DrillError(BackupSystemError):
    """A backup that was brought back for trial is not as it should be."""


class TargetUnavailableError(TemporaryError, TargetError):
    """The target cannot be reached at the moment."""


class StorageError(BackupSystemError):
    """The storage cannot be read or written."""


class ForbiddenError(StorageError):
    """The credentials of a storage lack a right."""

    def __init__(self, message: str, *, right: str = "") -> None:
        """`right` as whoever gives rights there calls it."""
        super().__init__(message)
        self.right = right


class StorageUnavailableError(TemporaryError, StorageError):
    """The storage cannot be reached at the moment."""


class UnreadError(TemporaryError, StorageError):
    """There are so many manifests that reading them takes longer than anybody should wait: the next one who asks goes on."""


class ArtifactError(BackupSystemError):
    """The bytes of an artifact are not what they must be: missing, short, changed, extra or foreign."""


class DamagedError(ArtifactError):
    """A manifest is not what was written: nothing in it can be relied on, its artifact may be whole."""


class ForgedError(ArtifactError):
    """A manifest bears a signature that is not of what it says."""


class UntrustedError(ArtifactError):
    """Nobody whose word counts here has signed a manifest: it was not relied on."""


class FormatError(ArtifactError):
    """The bytes do not follow the format that they claim."""

"""Everything that can go wrong, drawn once: each error is one plain sentence that says what to do next.

Foreign errors (redis, the file system, decoders) are translated where they are met; none of these carries a secret.
Each takes one message, because Celery's JSON results can carry no more than that.
"""

from typing import Any, Literal, Self

Risk = Literal["changed", "full", "eviction", "replicas", "partial"]
"""What somebody takes upon themselves who restores all the same (`force`): the target has changed since the preview, may
become full, may throw keys out then, has replicas that load the backup as well; a mirror of a partial backup deletes.
"""


class BackupSystemError(Exception):
    """Any failure that this product understands; `str()` of it is fit for a person to read.

    That may name keys and quote a server. What leaves the house is `outside`, which never does: a sentence for the class, unless
    whoever raises it gives another, or says that the message is `plain`.
    """

    in_short = "It did not work"
    """What is so for each of the class, with nothing that was in a Redis."""
    knows_keys = True
    """Whether a message of the class may name a key; where it cannot, it may leave as it is."""
    report: dict[str, Any] | None = None
    """What had been done by then, where that is known; a task's result does not carry it."""

    def __init__(self, message: str, *, risk: Risk | None = None, of: str | None = None) -> None:
        """`risk` where `force` would go on; a run carries it, and a task's result does not. `of` is the name of the file that
        the message names.
        """
        super().__init__(message)
        self.risk, self.of = risk, of
        self._outside: str | None = None

    @property
    def outside(self) -> str:
        """What somebody may hear who is not to know what lies in the source: no key is named in it, and no server quoted."""
        if self._outside is not None:
            return self._outside
        return f"{self.in_short}: its page has the whole reason." if self.knows_keys else str(self)

    def said_outside(self, sentence: str) -> Self:
        """The same error, of which that is to be said outside."""
        self._outside = sentence
        return self

    def plain(self) -> Self:
        """The same error, whose message names no key, and quotes no server: it may leave as it is."""
        return self.said_outside(str(self))


class UsageError(BackupSystemError):
    """The caller asked for something that cannot be: a wrong argument, a wrong setting."""

    in_short = "What was asked for cannot be, or a setting is wrong"


class NoSuchStorageError(UsageError):
    """No storage of that address is set."""

    in_short = "No storage of that address is set"


class NotFoundError(BackupSystemError):
    """There is no backup of that name."""

    in_short = "Something that it needs is not there"


class BusyError(BackupSystemError):
    """Somebody else is at work on the same thing."""

    knows_keys = False


class StoppedError(BackupSystemError):
    """Somebody has asked the run to stop before its end."""

    in_short = "It was stopped before its end"


class CancelledError(StoppedError):
    """Somebody has cancelled the run."""


class LostError(BusyError):
    """This run can no longer prove that nobody else is at work: it stood still for too long, or was taken for dead."""


class RefusedError(BackupSystemError):
    """A check said no before anything was written."""

    in_short = "A check said no before anything was written"


class SealedError(RefusedError):
    """A backup is encrypted, and no key here opens it."""


class TemporaryError(BackupSystemError):
    """Trying again later can help: a server that is away, loading, or full."""

    in_short = "Something that it needs is away for the moment"


class BrokerUnavailableError(TemporaryError):
    """The broker cannot be reached at the moment."""

    knows_keys = False


class SourceError(BackupSystemError):
    """The source cannot be read."""

    in_short = "The source cannot be read"


class SourceUnavailableError(TemporaryError, SourceError):
    """The source cannot be reached at the moment."""

    in_short = "The source could not be read this time"


class StreamBrokenError(SourceError):
    """The replication stream does not go on where it was left."""

    in_short = "The replication stream does not go on where it was left"


class PartialError(SourceUnavailableError):
    """A backup ran to its end and does not hold all that it should: it was kept, and counts as none."""

    in_short = "The backup does not hold all that it should"


class TargetError(BackupSystemError):
    """The target cannot be written."""

    in_short = "The target cannot be written"


class IncompleteError(TargetError):
    """A restore ran to its end, and some keys could not be written."""

    in_short = "Some keys could not be written"


class ScratchError(BackupSystemError):
    """A server of our own did not start, or went away: that says nothing about what it was given."""

    knows_keys = False


class DrillError(BackupSystemError):
    """A backup that was brought back for trial is not as it should be."""

    in_short = "What was brought back is not what the backup holds"


class TargetUnavailableError(TemporaryError, TargetError):
    """The target cannot be reached at the moment."""

    in_short = "The target could not be written this time"


class StorageError(BackupSystemError):
    """The storage cannot be read or written."""

    knows_keys = False


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

    in_short = "The bytes of a backup are not what they must be"


class DamagedError(ArtifactError):
    """A manifest is not what was written: nothing in it can be relied on, its artifact may be whole."""


class ForgedError(ArtifactError):
    """A manifest bears a signature that is not of what it says."""


class UntrustedError(ArtifactError):
    """Nobody whose word counts here has signed a manifest: it was not relied on."""


class FormatError(ArtifactError):
    """The bytes do not follow the format that they claim."""

    in_short = "The bytes do not follow the format that they claim"

"""What is known of each operation, once: the queue, the API, the pages, the shell and the memory of runs ask here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from worker.broker.scopes import Scope

Name = Literal[
    "backup",
    "preview",
    "differences",
    "restore",
    "undo",
    "search",
    "browse",
    "timeline",
    "happened",
    "writes",
    "fits",
    "verify",
    "drill",
    "copy",
    "prune",
    "pin",
    "accept",
    "unpin",
    "delete",
    "put_back",
    "stats",
    "adopt",
    "reencrypt",
    "ping",
    "storage",
    "repair",
    "silence",
    "try_channels",
]
Queue = Literal["jobs", "quick", "questions"]
Server = Literal["source", "target"]

QUEUES: tuple[Queue, ...] = get_args(Queue)
"""The queue for long work, for what takes moments, and for questions, which may take anything in between."""
STREAM = "stream"
"""The queue for visits of the replication stream, which no other work may delay; only where BACKUP_STREAM_SECONDS is set has anybody
to serve it.
"""
TASKS = "worker.tasks."
KEPT, KEPT_OF_QUESTIONS = 1000, 50
_KILLED = "Its process was killed, or was not heard of any more"


@dataclass(frozen=True)
class Operation:
    """One of them. What a row does not say is as for an operation of which nothing is known, such as a newer version's."""

    name: str
    title: str
    """What pages call a run of it."""
    verb: str | None = None
    """What the shell's verb is for; None where there is no such verb."""
    queue: Queue | None = None
    """Where its task waits for a worker; None where it has no task, and only a shell begins it."""
    scope: Scope = "restore"
    """The scope of the tokens that may ask for it."""
    asks: bool = False
    """Whether it only asks: its result holds for a moment, and may quote data."""
    writes: bool = False
    """Whether it changes something, so that it stands in the audit log."""
    concerns: tuple[Literal["source", "target", "storage"], ...] = ("storage",)
    """What a run of it must have in common with us to be ours."""
    alone: Server | None = None
    """Only one run at a time may work on the same of these."""
    retries: int = 0
    """How often it is tried again by itself, where that can help."""
    waits: bool = False
    """Whether it is tried again when another run that is at work has ended."""
    repeatable: bool = False
    """Whether it is asked for again when it got lost before it began; a restore that was lost waits for a person."""
    made_up_for: bool = False
    """Whether it is asked for once more when it was killed: somebody counts on it."""
    counts: tuple[str, ...] = ()
    """What a message about its end counts of its report; nobody is told of the end of one without."""
    killed: str = f"{_KILLED}: start it again."
    """What is to be said of a run that was killed; `{reached}` is how far it had come."""
    plural: str = ""
    """What the Tasks page calls several of it, beside its list; empty for one that it does not name apart."""
    advice: dict[str, str] = field(default_factory=dict)
    """What to do next when it is `done`, `failed` or `interrupted`."""

    @property
    def task(self) -> str:
        """The name of its task."""
        return TASKS + self.name

    @property
    def kept(self) -> int:
        """How many of its runs about the same are remembered; of questions, for each who asks."""
        return KEPT_OF_QUESTIONS if self.asks else KEPT


_ROWS = (
    Operation(
        "backup",
        "Backup",
        "Make a backup now.",
        plural="Backups",
        queue="jobs",
        scope="backup",
        writes=True,
        concerns=("source", "storage"),
        alone="source",
        retries=2,
        waits=True,
        repeatable=True,
        made_up_for=True,
        killed=f"{_KILLED}: see whether its backup is in the list, and make another one if it is not.",
        advice={
            "done": "Verify it now and then; the surest proof of a backup is a restore.",
            "failed": "Earlier backups are untouched. Mend what the sentence names, and make the backup again.",
            "interrupted": "Nothing unfinished was kept, and earlier backups are untouched. Make the backup again.",
        },
    ),
    Operation(
        "preview",
        "Preview",
        "Say what a restore would do, key by key.",
        plural="Previews",
        queue="questions",
        scope="read",
        asks=True,
        concerns=("target",),
        advice={
            "failed": "Nothing was written. Mend what the sentence names, and preview it again.",
            "interrupted": "Nothing was written. Preview it again.",
        },
    ),
    Operation(
        "differences",
        "Keys of a preview",
        "Show the keys that a preview counts, a page at a time.",
        queue="questions",
        scope="read",
        asks=True,
        concerns=("target",),
        advice={
            "failed": "Nothing was written. Mend what the sentence names, and look again.",
            "interrupted": "Nothing was written. Look again.",
        },
    ),
    Operation(
        "restore",
        "Restore",
        "Restore a backup.",
        plural="Restores",
        queue="jobs",
        writes=True,
        concerns=("target",),
        alone="target",
        counts=("restored", "skipped", "expired", "failed", "deleted"),
        killed=f"{_KILLED}.{{reached}} Run the same restore again to complete it, which is safe.",
        advice={
            "done": (
                "Look at your application now. Keys that were skipped are in the live data as they were, also those that "
                "differ."
            ),
            "failed": (
                "What was written before it failed stays written. Mend the cause, and restore again: that completes it."
            ),
            "interrupted": (
                "Some keys may have been written. It is never run again by itself; restoring again is safe, and completes "
                "it."
            ),
        },
    ),
    Operation(
        "undo",
        "Undo",
        "Undo a restore.",
        plural="Undos",
        queue="jobs",
        writes=True,
        concerns=("target",),
        alone="target",
        counts=("put_back", "deleted", "left_alone", "failed"),
        killed="Its process was killed, and some keys may have been put back: run the same undo again to complete it.",
        advice={
            "done": "Look at your application now.",
            "failed": "What was put back before it failed stays so. Mend the cause, and undo again: that completes it.",
            "interrupted": (
                "Some keys may have been put back. It is never run again by itself; undo again to complete it."
            ),
        },
    ),
    Operation(
        "search",
        "Search",
        "Find a key in all backups and in the source.",
        plural="Searches",
        queue="questions",
        scope="read",
        asks=True,
    ),
    Operation(
        "browse",
        "Look into a backup",
        "Look into a backup: its keys by prefix, or some of them as JSON.",
        plural="Looks into backups",
        queue="questions",
        scope="read",
        asks=True,
        advice={
            "failed": "Mend what the sentence names, and look again.",
            "interrupted": "Look again.",
        },
    ),
    Operation(
        "timeline",
        "Timeline of keys",
        "Follow keys from backup to backup, and say which was the last good one.",
        queue="questions",
        scope="read",
        asks=True,
        concerns=("source", "storage"),
        advice={
            "failed": "Nothing was written. Mend what the sentence names, and look again.",
            "interrupted": "Nothing was written. Look again.",
        },
    ),
    Operation(
        "happened",
        "Look at the stream",
        "Say what happened when, by the replication stream.",
        plural="Looks at the stream",
        queue="questions",
        scope="read",
        asks=True,
        concerns=("source", "storage"),
        advice={"failed": "Mend what the sentence names, and look again.", "interrupted": "Look again."},
    ),
    Operation(
        "writes",
        "Writes to a key",
        "Show each write to a key in the replication stream, the newest first.",
        plural="Writes to keys",
        queue="questions",
        scope="read",
        asks=True,
        concerns=("source", "storage"),
        advice={"failed": "Mend what the sentence names, and look again.", "interrupted": "Look again."},
    ),
    Operation(
        "fits",
        "Count of keys",
        "Count the keys of a backup that are meant.",
        queue="questions",
        scope="read",
        asks=True,
    ),
    Operation(
        "verify",
        "Verification",
        "Read a backup to its end.",
        plural="Verifications",
        queue="jobs",
        scope="backup",
        repeatable=True,
        advice={
            "failed": "Do not rely on this backup: make a new one now, then delete this one.",
            "interrupted": "Nothing was changed. Verify it again.",
        },
    ),
    Operation(
        "drill",
        "Drill",
        "Bring a backup back into a scratch server, and compare.",
        plural="Drills",
        queue="jobs",
        scope="backup",
        waits=True,
        repeatable=True,
        advice={
            "failed": (
                "No data was touched. Where the backup is to blame, do not rely on it: make a new one now, and rehearse that "
                "one. Else mend what the sentence names, and rehearse it again."
            ),
            "interrupted": "No data was touched, and the scratch server is gone. Rehearse it again.",
        },
    ),
    Operation(
        "copy",
        "Copy",
        "Copy a backup to the other storages.",
        queue="jobs",
        scope="backup",
        writes=True,
        retries=3,
        repeatable=True,
        made_up_for=True,
        killed=f"{_KILLED}: nothing half is listed where it was to go. Copy it again.",
        advice={
            "failed": "The backup itself is untouched. Mend what the sentence names, and copy it again.",
            "interrupted": "Nothing half is listed where it was to go. Copy it again.",
        },
    ),
    Operation(
        "prune",
        "Pruning",
        "Delete the oldest backups.",
        queue="quick",
        scope="delete",
        writes=True,
        waits=True,
        advice={
            "failed": "No backup was lost. Mend what the sentence names, and prune again.",
            "interrupted": "What was half deleted is cleared away by the next prune. Prune again.",
        },
    ),
    Operation("pin", "Pinning", "Keep one backup from every prune.", queue="quick", writes=True),
    # Whoever may write into a server may say that its data are as they should be; whoever only makes backups may not.
    Operation(
        "accept", "Accepting", "Say of a suspicious backup that it is as it should be.", queue="quick", writes=True
    ),
    Operation("unpin", "Unpinning", "Leave one backup to retention again.", queue="quick", writes=True),
    Operation(
        "delete",
        "Deletion",
        "Move one backup to the trash.",
        queue="quick",
        scope="delete",
        writes=True,
        waits=True,
        advice={"failed": "The backup may still be there: look at the list of backups."},
    ),
    # Whoever may only delete must not empty the trash.
    Operation("put_back", "Putting back", "Put a backup back from the trash.", queue="quick", writes=True, waits=True),
    Operation(
        "stats",
        "Statistics",
        "Show the numbers: backups, source, what comes next.",
        queue="quick",
        scope="read",
        asks=True,
        concerns=("source", "storage"),
    ),
    Operation("adopt", "Adoption", "Take a dump.rdb or a portable JSON in as a backup.", writes=True),
    Operation(
        "reencrypt",
        "Encryption of a backup",
        "Encrypt an old backup to the present public keys.",
        writes=True,
        advice={
            "failed": "The old backup is still there.",
            "interrupted": "The old backup is still there: run it again.",
        },
    ),
    Operation(
        "ping",
        "Check of the source",
        "Reach the source: what it is, what we may do there.",
        queue="quick",
        scope="read",
        asks=True,
        concerns=("source",),
    ),
    # It may have to wait for a storage that does not answer, which must keep no prune waiting.
    Operation(
        "storage",
        "Trial of the storage",
        "Try out what we may do where the backups lie.",
        queue="questions",
        scope="read",
        asks=True,
        advice={
            "failed": "Give the right that is missing, or mend what the sentence names, and try it again.",
            "interrupted": "Try it again. A file named trial-... may have been left there: it can be deleted.",
        },
    ),
    Operation("repair", "Repair of manifests", writes=True),
    Operation("silence", "Silencing of an alert", "Tell nobody of an alert for a while.", queue="quick", writes=True),
    # It may have to wait for a mail server, which must keep no prune waiting.
    Operation(
        "try_channels",
        "Trial of the channels",
        queue="questions",
        writes=True,
        advice={
            "done": "Look there whether it has come: a server that took it may still throw it away.",
            "failed": "Mend what the sentence names, and try it again. What waits for that channel is kept.",
            "interrupted": "Some channels may have been sent the test. Try it again.",
        },
    ),
)

OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}
"""Each by its name, those first that are used most."""


def of(name: str) -> Operation:
    """The row of that operation; for an unknown name a row with the defaults."""
    return OPERATIONS.get(name) or Operation(name, name.capitalize())


def of_task(task: str) -> Operation | None:
    """The operation of a task, by its full name; None for a task of another kind."""
    row = OPERATIONS.get(task.removeprefix(TASKS))
    return row if row is not None and row.task == task else None


def unserved(roles: Iterable[str]) -> list[str]:
    """The queues for which nobody is alive. A worker is named after its queue, or otherwise and then serves all."""
    all_of_them = set(roles) - {*QUEUES, STREAM, "beat"}
    return [queue for queue in QUEUES if not all_of_them and queue not in set(roles)]

"""What a Redis is to us: its name in sentences, its setting, how long it may take, and the errors that it raises."""

from dataclasses import dataclass, replace

from worker.errors import (
    BackupSystemError,
    SourceError,
    SourceUnavailableError,
    TargetError,
    TargetUnavailableError,
    TemporaryError,
)

ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Role:
    """What a Redis is to us: its name in sentences, its setting, and the errors that it raises."""

    name: str
    setting: str
    error: type[BackupSystemError]
    unavailable: type[BackupSystemError]
    connect_seconds: float = 10
    answer_seconds: float = ANSWER_SECONDS
    reads: bool = False
    """Whether it is only read, so that a replica will do."""


SOURCE = Role("source", "REDIS_URL", SourceError, SourceUnavailableError, reads=True)
TARGET = Role("target", "REDIS_URL", TargetError, TargetUnavailableError)
SCRATCH = replace(TARGET, name="scratch server", setting="DRILL_SERVERS")
"""A server of our own (server/scratch)."""
GLANCE = replace(SOURCE, connect_seconds=3, answer_seconds=10)
"""The source, where it is only looked at and somebody waits for the answer."""
# It is only asked for facts, and no work waits for those.
BROKER = Role("broker", "CELERY_BROKER_URL", BackupSystemError, TemporaryError, connect_seconds=1, answer_seconds=2)


def named_target(name: str) -> Role:
    """The role of a target out of REDIS_TARGETS."""
    return replace(TARGET, name=f"target {name}", setting="REDIS_TARGETS")

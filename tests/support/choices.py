"""What this machine remembers of chosen settings, which outlives the brokers of tests."""

from pathlib import Path

from worker.broker.choices import following
from worker.config.schedule import in_force
from worker.config.schedule.chosen import NOTHING

NOWHERE = "redis://127.0.0.1:1/0"
"""The broker of shells that have none."""


def seen(broker: str, folder: str) -> None:
    """As if this machine had just read there that nothing is chosen."""
    in_force.remember(broker, folder, NOTHING)


def forget(folder: str, but: str = "") -> None:
    """All that this process and this machine know, but for that broker."""
    following.forget()
    in_force.forget()
    for file in Path(folder).glob("schedule-*.json"):
        if file != in_force.file_of(but, folder):
            file.unlink(missing_ok=True)

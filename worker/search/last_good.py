"""Which backup is the last good one of some keys: the one right before more of them went or changed than is usual."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Step(NamedTuple):
    """From one backup to the next state: another backup, or now."""

    before: str
    """The name of the backup."""
    after: str
    """That of the next one, or LIVE."""
    gone: int
    differs: int


def last_good(steps: Sequence[Step]) -> Step | None:
    """The step right before which the last good backup was made; None where no key went or changed in any of them.

    `steps` come newest first. What changes all the time is no damage, so each number counts by how far it is above the usual
    one; where several are alike it is the newest step.
    """
    if not any(step.gone or step.differs for step in steps):
        return None
    usual_gone, usual_differs = median(step.gone for step in steps), median(step.differs for step in steps)
    return max(steps, key=lambda step: step.gone / (1 + usual_gone) + step.differs / (1 + usual_differs))

"""A run, made up for a test."""

import uuid
from typing import Any

from worker.runs.run import Run, new


def a_run(operation: str = "backup", **changes: Any) -> Run:
    return new(str(uuid.uuid4()), operation, {}, "admin").model_copy(update=changes)

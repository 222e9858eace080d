"""Which of the storages that are set is meant."""

from typing import Annotated

from pydantic import Field

Address = Annotated[str, Field(min_length=1, max_length=2000)]
"""As BACKUP_STORAGE or BACKUP_COPIES has it; any other is refused, wherever it comes from."""

"""Places of a stream and their times, in the units of everything that is said of one."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0, le=253402300799999)]
"""Since the epoch, by the source's clock where it tells that."""


class Mark(BaseModel):
    """What the clock said when the stream stood there."""

    model_config = ConfigDict(frozen=True)

    offset: Count
    ms: Milliseconds


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return int(moment.timestamp() * 1000)

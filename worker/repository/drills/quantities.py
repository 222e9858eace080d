"""Moments, numbers and seconds in files: only such as a backup can have."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field


def _plausible(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 3000:
        raise ValueError("must be a date that a backup can have")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]
Count = Annotated[int, Field(ge=0, le=2**63)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]

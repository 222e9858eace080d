"""What a message of our queues must be, so that nothing in it can end the worker that takes it.

Whoever can write to the broker can put anything into a queue, and Celery trusts what it finds there: one list where it
expects a name, and its worker ends. So each message is read here as what it should be, and written anew from that; what
is not known to it is left out, as is what would unpack itself.
"""

import base64
import json
import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from worker.broker.bounded import LARGEST_RECORD_BYTES

LARGEST_BYTES = LARGEST_RECORD_BYTES
EXCHANGE = "redis_backup"


class MisfitError(ValueError):
    """What lay in a queue is no message of ours; the words say why, and nothing of what it holds."""


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w.:@-]+$")]
_Words = Annotated[str, Field(max_length=16_384)]
_Moment = Annotated[str, Field(max_length=64), AfterValidator(_moment)]
_Seconds = Annotated[float, Field(gt=0, le=10**7, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=1000)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Headers(_Part):
    lang: Literal["py"] = "py"
    task: _Name
    id: _Name
    root_id: _Name | None = None
    parent_id: _Name | None = None
    shadow: _Name | None = None
    eta: _Moment | None = None
    expires: _Moment | None = None
    retries: _Count = 0
    timelimit: Annotated[list[_Seconds | None], Field(min_length=2, max_length=2)] = [None, None]
    argsrepr: _Words | None = None
    kwargsrepr: _Words | None = None
    origin: _Words | None = None
    ignore_result: bool | None = None
    replaced_task_nesting: _Count = 0
    asked_by: _Words | None = None
    slot: _Words | None = None


class _Properties(_Part):
    body_encoding: Literal["base64"]
    priority: Annotated[int, Field(ge=0, le=9)] | None = None


class _Envelope(_Part):
    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties


class _Embed(_Part):
    callbacks: list[Any] | None = None
    errbacks: list[Any] | None = None
    chain: list[Any] | None = None
    chord: Any = None


class _Body(_Part):
    args: list[Any]
    kwargs: dict[str, Any]
    embed: _Embed | None


def checked(text: bytes, queue: str) -> bytes:
    """The message as Celery is to have it. Raises MisfitError."""
    if len(text) > LARGEST_BYTES:
        raise MisfitError(f"it has more than {LARGEST_BYTES:,} bytes")
    try:
        envelope = _Envelope.model_validate(json.loads(text))
        body = json.loads(base64.b64decode(envelope.body, validate=True))
        _Body.model_validate(dict(zip(_Body.model_fields, body, strict=True)))
    except ValidationError as error:
        raise MisfitError(f"it is no task as Celery writes it ({_place(error)})") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise MisfitError(f"it is no JSON as Celery writes it ({type(error).__name__})") from None
    return json.dumps(_rewritten(envelope, queue)).encode()


def _rewritten(envelope: _Envelope, queue: str) -> dict[str, Any]:
    """With the way that it came, and with a number of our own: should the worker be killed now, it goes back there."""
    properties = {
        "correlation_id": envelope.headers.id,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": EXCHANGE, "routing_key": queue},
        "delivery_tag": str(uuid.uuid4()),
        "priority": envelope.properties.priority or 0,
        "body_encoding": "base64",
    }
    return {**envelope.model_dump(by_alias=True), "properties": properties}


def _place(error: ValidationError) -> str:
    """Where it does not fit: a name of ours, as no others are looked at."""
    return ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"])) or "its shape"

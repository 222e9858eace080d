"""What a form says, as arguments that a task would take; an empty field is one that was not filled in."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict

from worker.config import first_fault
from worker.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)
Form = MultiDict[str, str]

_MANY = frozenset({"types", "databases"})


def arguments(model: type[Model], form: Form, **given: Any) -> Model:
    """The fields of that model from a form. UsageError names the first one that is wrong."""
    told = {name: value for name in model.model_fields if (value := _value(form, name)) is not None}
    try:
        return model.model_validate(told | given)
    except ValidationError as error:
        raise UsageError(f"Please correct this: {first_fault(error)}.") from None


def _value(form: Form, name: str) -> Any:
    values = [value.strip() for value in form.getlist(name) if value.strip()]
    if not values:
        return None
    if name == "databases":
        return ",".join(values)
    return values if name in _MANY else values[-1]


def confirm(form: Form, name: str, what: str) -> None:
    """UsageError where the name of the backup was not typed in: nobody deletes or overwrites by a slip."""
    typed = form.get("confirm", "").strip()
    if typed != name:
        told = "The name that you typed is not that of the backup" if typed else "The name of the backup is missing"
        raise UsageError(f"{told}: type {name} to {what}.")

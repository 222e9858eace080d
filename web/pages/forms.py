"""What a form says, as arguments that a task would take, and the other way round; an empty field was not filled in."""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict

from web.wording import numbers, restores
from worker.arguments.moments import SIGN, is_moment
from worker.config.validation import first_fault
from worker.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)
Form = MultiDict[str, str]

_BOXES = frozenset({"types", "kinds", "names"})
_TICKS = frozenset({"force"})
_NOT = frozenset({"live"})
"""Options that are on unless the form says no."""
_LINES = frozenset({"match", "exclude", "keys"})
# Fields in which a blank may be meant.
_AS_TYPED = frozenset({"prefix", "strip_prefix"})


def arguments(model: type[Model], form: Form, **own: Any) -> Model:
    """The fields of that model from a form. UsageError names the first one that is wrong."""
    typed = {name: value for name in model.model_fields if (value := _value(form, name)) is not None}
    try:
        return model.model_validate(typed | own)
    except ValidationError as error:
        raise UsageError(f"Please correct this: {first_fault(error)}.") from None


def named(name: str, form: Form) -> str:
    """What the form of a page is about: the backup or the moment that the page is of, or the moment that was typed in there."""
    typed = form.get("moment", "").strip()
    return f"{SIGN}{typed.removeprefix(SIGN)}" if is_moment(name) and typed else name


def fields(arguments: dict[str, Any], without: tuple[str, ...] = ()) -> Form:
    """The form that would say this: what `arguments` reads back."""
    said = {name: value for name, value in arguments.items() if name not in without}
    return MultiDict(pair for name, value in said.items() for pair in _fields(arguments, name, value))


def _value(form: Form, name: str) -> Any:
    filled = [value for value in form.getlist(name) if value.strip()]
    if not filled and f"{name}_offered" in form:
        raise UsageError("Please choose at least one kind of keys to restore: without any there is nothing to do.")
    if not filled:
        return None
    if name in _AS_TYPED:
        return filled[-1]
    if name in _TICKS | _NOT:
        return filled[-1] != "no"
    values = [value.strip() for value in filled]
    if name in _LINES:
        return [line.strip() for value in values for line in value.replace("\r", "\n").split("\n") if line.strip()]
    if name in _BOXES:
        return values
    if name == "databases":
        return ",".join(values)
    if name == "expiry" and values[-1] == "floor":
        return f"floor:{form.get('floor', '').strip()}"
    return values[-1]


def _fields(arguments: dict[str, Any], name: str, value: Any) -> Iterator[tuple[str, str]]:
    if name in ("match", "exclude"):
        value = restores.patterns(arguments, name)
    elif name == "keys" or isinstance(value, (set, frozenset)):
        value = numbers.several(value or [])
    if name in _NOT and value is False:
        yield name, "no"
    if value in (None, "", False, [], {}):
        return
    if name in _LINES:
        yield name, "\n".join(value)
    elif name == "map_databases":
        yield name, ",".join(f"{old}:{new}" for old, new in restores.pairs(arguments))
    elif name == "expiry" and (floor := restores.floor_seconds(arguments)):
        yield from ((name, "floor"), ("floor", str(floor)))
    elif isinstance(value, (list, tuple)):
        yield from ((name, str(item)) for item in value)
    else:
        yield name, str(value)


def confirm(form: Form, name: str, what: str) -> None:
    """UsageError where the name of the backup was not typed in: nobody deletes or overwrites by a slip."""
    typed = form.get("confirm", "").strip()
    if typed != name:
        fault = "The name that you typed is not that of the backup" if typed else "The name of the backup is missing"
        raise UsageError(f"{fault}: type {name} to {what}.")

"""What is wrong with an argument or a setting, in words and without its value, which may be a secret."""

import re
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from worker.errors import UsageError

LONGEST_NAME_SHOWN = 80

Arguments = TypeVar("Arguments", bound=BaseModel)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: its name, and what it must be."""

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


def checked(model: type[Arguments], arguments: dict[str, Any]) -> Arguments:
    """The arguments as that model. UsageError names the first one that is wrong."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise UsageError(f"Wrong argument: {first_fault(error)}.") from None


def first_fault(error: ValidationError) -> Fault:
    """The first thing that is wrong, without its value."""
    fault = error.errors(include_input=False, include_url=False)[0]
    name = ".".join(map(str, fault["loc"]))[:LONGEST_NAME_SHOWN] or "arguments"
    return Fault(name, _in_words(fault["type"], fault["msg"], fault.get("ctx", {})))


_WORDS = {
    "missing": "must be given",
    "extra_forbidden": "is not known here",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} item",
    "finite_number": "must be a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("string_type", "string_unicode"), "must be text"),
    **dict.fromkeys(("list_type", "set_type", "frozen_set_type"), "must be a list"),
    "too_long": "must be at most {max_length} of them",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be names with values"),
}
"""Our words for each kind of fault that pydantic finds; where there are none, its own are used."""


def _in_words(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind in _WORDS:
        return _WORDS[kind].format(**{name: _plain(value) for name, value in context.items()})
    words = re.sub(r"^(Input|String|List|Frozenset) should ", "must ", message.removeprefix("Value error, "))
    return words[:1].lower() + words[1:]


def _plain(value: object) -> object:
    """A limit as people write it: 1,000,000."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else value

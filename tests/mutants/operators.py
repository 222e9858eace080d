"""The mistakes that are made: cosmic-ray's operators of which each mutant means something else, and one of our own."""

from collections.abc import Iterator
from typing import Any

from cosmic_ray.exceptions import CosmicRayTestingException
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword

CHOSEN = (
    # A condition is turned round, or a part of it counts for more.
    "AddNot",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
    # A bound is one further.
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt",
    "NumberReplacer",
    # Something else is computed.
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_FloorDiv",
    "ReplaceBinaryOperator_FloorDiv_Mul",
    "ReplaceBinaryOperator_Mod_FloorDiv",
    "ReplaceBinaryOperator_LShift_RShift",
    "ReplaceBinaryOperator_RShift_LShift",
    "ReplaceBinaryOperator_BitAnd_BitOr",
    "ReplaceBinaryOperator_BitOr_BitAnd",
    "ReplaceUnaryOperator_Delete_USub",
    # A choice is made otherwise.
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    # Another way is taken.
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ZeroIterationForLoop",
    "ExceptionReplacer",
)

BOUNDS = ({"Lt", "LtE"}, {"Gt", "GtE"})
CLOCKS = ("monotonic()", "now()", "deadline")
"""No clock is read at the very moment that it is compared with."""
GUARDS = ("strict", "frozen")
"""Arguments that only guard against mistakes of ours."""
SMALL = ("0", "1", "2")


class RemoveCall(Operator):  # type: ignore[misc]
    """Something is not done: a statement that only calls is gone, be it a sync, a check or a lock."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        if node.type == "atom_expr" and node.parent.type == "simple_stmt" and node.children[-1].type == "trailer":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - each node is changed in one way
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("sync(folder)\n", "pass\n"),)


class CatchOther(ExceptionReplacer):  # type: ignore[misc]
    """An error is not caught: cosmic-ray's own has no way with a dotted name among others, as in `(OSError, redis.RedisError)`."""

    def mutate(self, node: Any, index: int) -> Any:
        self._name_nodes(node)[index].get_first_leaf().value = CosmicRayTestingException.__name__
        return node


OPERATORS: dict[str, Operator] = {name: get_operator(f"core/{name}")() for name in CHOSEN} | {
    "ExceptionReplacer": CatchOther(),
    "RemoveCall": RemoveCall(),
}


def counts(node: Any, operator: str, module: str) -> bool:
    """Whether such a mistake would show there: in what is done, and not only in what is noted, typed or declared."""
    child = node
    while (parent := child.parent) is not None:
        if _unheard(parent, child):
            return False
        child = parent
    match operator.split("_"):
        case ["RemoveCall"]:
            return not _words(node).startswith(("log.", "time.sleep("))
        case ["AddNot"]:
            # `not found := ...` does not even compile.
            return not any(part.type == "namedexpr_test" for part in node.children)
        case ["NumberReplacer"]:
            return _is_no_bound(node, module)
        case ["ReplaceBinaryOperator", *_]:
            return _computes(node)
        case ["ReplaceComparisonOperator", was, became] if {was, became} in BOUNDS:
            return not any(clock in _words(node) for clock in CLOCKS)
    return True


def _unheard(parent: Any, child: Any) -> bool:
    match parent.type:
        case "decorator" | "tfpdef":
            return True
        case "annassign":
            return child is parent.children[1]
        case "funcdef":
            return child is parent.annotation
        case "argument":
            return _words(parent.children[0]) in GUARDS
        case "atom_expr":
            return _words(parent.children[0]) == "log"
    return False


def _is_no_bound(node: Any, module: str) -> bool:
    """Whether it is an index, a step or a number of a format: of bounds one more or less would do as well."""
    if node.search_ancestor("funcdef", "lambdef") is None or node.search_ancestor("param") is not None:
        return False
    return module.startswith("formats/") or _words(node) in SMALL


def _computes(node: Any) -> bool:
    """Whether it is about numbers, or sets: without its operator a text, a signature or a type is none at all."""
    texts = ("string", "fstring", "strings")
    if node.parent.type in ("parameters", "lambdef") or any(part.type in texts for part in node.parent.children):
        return False
    return node.value != "|" or node.search_ancestor("funcdef") is not None


def _words(node: Any) -> str:
    return str(node.get_code()).strip()

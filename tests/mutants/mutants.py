"""The mutants of a module, in an order of their own: the first few are a sample that stays the same for the same code."""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.equal import EQUAL
from tests.mutants.operators import OPERATORS, counts
from tests.mutants.rooms import WORKER


@dataclass(frozen=True)
class Mutant:
    """One mistake: the how manieth of its operator in its module, which is a path below worker/."""

    module: str
    line: int
    operator: str
    occurrence: int

    @cached_property
    def code(self) -> str:
        """The whole module with the mistake in it."""
        mutated = mutate_code(_code(self.module), OPERATORS[self.operator], self.occurrence)
        assert isinstance(mutated, str)
        return mutated

    @cached_property
    def change(self) -> tuple[str, str]:
        """The line as it is, and with the mistake."""
        was, became = (code.splitlines()[self.line - 1] for code in (_code(self.module), self.code))
        return " ".join(was.split()), " ".join(became.split())

    @property
    def equal(self) -> str | None:
        """Why it does the same as the code without the mistake; None where it does not."""
        return EQUAL.get((self.module, *self.change))

    def __str__(self) -> str:
        was, became = self.change
        return f"worker/{self.module}, line {self.line}, {self.operator}: `{was}` became `{became}`"


def mutants(module: str) -> list[Mutant]:
    """Those of a module that do something else than it, in an order that neither another line nor another name of it changes."""
    code = _code(module)
    lines, found, alike = code.splitlines(), [], Counter[str]()
    for operator, occurrence, line in places(code, module):
        place = f"{operator} {lines[line - 1].strip()}"
        alike[place] += 1
        found.append((zlib.crc32(f"{place} {alike[place]}".encode()), Mutant(module, line, operator, occurrence)))
    ranked = [mutant for _, mutant in sorted(found, key=lambda ranked: ranked[0])]
    looked_at = {was for of, was, _ in EQUAL if of == module}
    return [
        mutant for mutant in ranked if " ".join(lines[mutant.line - 1].split()) not in looked_at or not mutant.equal
    ]


def places(code: str, module: str) -> Iterator[tuple[str, int, int]]:
    """Where a mistake can be made: the operator, the how manieth of it, and the line."""
    seen = Counter[str]()
    for node in ast_nodes(get_ast(code)):
        for name, operator in OPERATORS.items():
            for (line, _), _ in operator.mutation_positions(node):
                if counts(node, name, module):
                    yield name, seen[name], line
                seen[name] += 1


def _code(module: str) -> str:
    return (WORKER / module).read_text()

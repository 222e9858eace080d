"""Which mistakes are made, shown on small pieces of code."""

import pytest
from cosmic_ray.mutating import mutate_code

from tests.mutants.equal import EQUAL
from tests.mutants.mutants import places
from tests.mutants.operators import OPERATORS
from tests.mutants.rooms import TESTS, WORKER, run_for


def made(code: str, module: str = "storage/local.py") -> set[str]:
    """What becomes of code, with each mistake that is made in it."""
    return {str(mutate_code(code, OPERATORS[operator], occurrence)) for operator, occurrence, _ in places(code, module)}


@pytest.mark.parametrize(
    ("code", "became"),
    [
        ("if full:\n    lock()\n", {"if not full:\n    lock()\n", "if full:\n    pass\n"}),
        ("a = b is None or c\n", {"a = b is not None or c\n", "a = b is None and c\n"}),
        ("a = b < c\n", {"a = b <= c\n"}),
        (
            "try:\n    a = 1\nexcept (B, c.D):\n    a = 2\n",
            {
                "try:\n    a = 1\nexcept (CosmicRayTestingException, c.D):\n    a = 2\n",
                "try:\n    a = 1\nexcept (B, CosmicRayTestingException.D):\n    a = 2\n",
            },
        ),
        ("def f():\n    return a[1]\n", {"def f():\n    return a[ 2]\n", "def f():\n    return a[ 0]\n"}),
    ],
)
def test_each_mistake_is_made_alone(code: str, became: set[str]) -> None:
    assert made(code) == became


@pytest.mark.parametrize(
    "code",
    [
        'log.warning("late", again=True)\n',
        "@dataclass(frozen=True)\nclass A: ...\n",
        "def f(a: int | None, *, b: int | None) -> int | None: ...\n",
        "a: int | None\n",
        "Either = int | None\n",
        'NAME = PREFIX + "name"\n',
        "BYTES = 2\n",
        "def f(a=2):\n    return 30\n",
        "a = zip(a, b, strict=True)\n",
        "model_config = ConfigDict(frozen=True)\n",
        "a = time.monotonic() > deadline\n",
        "time.sleep(1)\n",
        "if found := look():\n    a = 1\n",
    ],
)
def test_a_mistake_that_would_show_nowhere_is_not_made(code: str) -> None:
    assert made(code) == set()


def test_a_number_of_a_format_counts() -> None:
    assert len(made("def f():\n    return 30\n", "formats/rdb/lengths.py")) == 2


@pytest.mark.parametrize("start", TESTS)
def test_what_is_run_for_a_module_is_there(start: str) -> None:
    assert (WORKER / start).is_dir() or (WORKER / f"{start}.py").is_file()
    assert run_for(f"{start}.py")


@pytest.mark.parametrize(("module", "line", "became"), EQUAL)
def test_what_is_said_to_be_equal_is_still_there(module: str, line: str, became: str) -> None:
    assert line in (" ".join(one.split()) for one in (WORKER / module).read_text().splitlines())
    assert became != line

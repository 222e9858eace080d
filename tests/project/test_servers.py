"""The servers that the tests are to meet are on this machine."""

import os

import pytest

from tests.support.servers import WANTED, binaries, one_of_the_newest, representatives


@pytest.mark.parametrize("wanted", WANTED)
def test_the_server_is_on_this_machine(wanted: str) -> None:
    if any(str(one).startswith(f"{wanted}.") for one in binaries()):
        return
    told = f"No {wanted} is here; it comes from {WANTED[wanted]}"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


def test_over_all_tests_each_server_has_its_turn() -> None:
    met = {one for number in range(100) for one in representatives(f"test {number}")}
    assert met == set(binaries())
    assert {one_of_the_newest(f"test {number}").name for number in range(100)} == {one.name for one in met}

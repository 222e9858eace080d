"""Patterns match exactly the keys that a real server's KEYS gives for them."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.servers import Server, binaries, running
from worker.server.globs import compiled

KEYS = st.binary(max_size=6) | st.text("ab-]^*?\\[c", max_size=6).map(str.encode)
PARTS = st.sampled_from(
    [b"*", b"?", b"a", b"b", b"[", b"]", b"^", b"-", b"\\", b"[a-c]", b"[^b]", b"\xff", b"\x00", b"\n"]
)
PATTERNS = st.lists(PARTS, max_size=8).map(b"".join) | st.binary(max_size=5)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(binaries()[-1], tmp_path_factory.mktemp("globs")) as server:
        yield server


def disagreement(server: Server, pattern: bytes, keys: set[bytes]) -> dict[str, set[bytes]]:
    """What only one of the two, the server and we, finds."""
    pipe = server.client().pipeline(transaction=False)
    pipe.flushall()
    for key in keys:
        pipe.set(key, b"")
    pipe.keys(pattern)
    theirs = set(pipe.execute()[-1])
    ours = {key for key in keys if compiled(pattern).fullmatch(key)}
    if set(pattern) == {ord("*")}:
        # `*` finds the empty key and `**` does not: of those two answers we give the first.
        theirs |= ours & {b""}
    return {"only the server": theirs - ours, "only we": ours - theirs}


NONE: dict[str, set[bytes]] = {"only the server": set(), "only we": set()}

ODD = [
    b"[",
    b"[^",
    b"[a",
    b"[^a",
    b"[]",
    b"[^]",
    b"[a-]",
    b"[-a]",
    b"[c-a]",
    b"[a-",
    b"[\\",
    b"[\\]]",
    b"[a\\]",
    b"\\",
    b"a\\",
]
ODD += [
    b"[^]*",
    b"[]a]",
    b"[[]",
    b"[a-\\]]",
    b"[\\a-c]",
    b"**",
    b"*a*",
    b"[^^]",
    b"?*",
    b"",
    b"[\xfe-\xff]",
    b"[]-a]",
    b"[--a]",
]
SOME = {bytes((code,)) for code in range(256)} | {
    b"",
    b"a]",
    b"b]",
    b"]]",
    b"ab",
    b"a-",
    b"[a",
    b"a\\",
    b"\\]",
    b"a\n",
    b"^",
    b"abc",
}


@pytest.mark.parametrize("pattern", ODD, ids=repr)
def test_odd_patterns_match_as_the_server_has_it(pattern: bytes, oracle: Server) -> None:
    assert disagreement(oracle, pattern, SOME) == NONE


@settings(max_examples=400)
@given(pattern=PATTERNS, keys=st.sets(KEYS, max_size=12))
def test_any_pattern_matches_as_the_server_has_it(oracle: Server, pattern: bytes, keys: set[bytes]) -> None:
    assert disagreement(oracle, pattern, keys) == NONE


@settings(max_examples=200)
@given(key=st.binary(max_size=6), data=st.data())
def test_patterns_made_of_a_key_match_as_the_server_has_it(oracle: Server, key: bytes, data: st.DataObject) -> None:
    parts = []
    for code in key:
        one = bytes((code,))
        parts.append(data.draw(st.sampled_from([one, b"\\" + one, b"?", b"*", b"[" + one + b"]", b"[^" + one + b"]"])))
    assert disagreement(oracle, b"".join(parts), {key, key[1:], key + b"x", key[::-1]}) == NONE


def test_a_pattern_of_stars_ends() -> None:
    assert compiled(b"a*a*a*a*b").fullmatch(b"a" * 60) is None

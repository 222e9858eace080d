"""What is different in two texts side by side."""

import pytest

from web.wording.keys.marked import MOST_LINES, marked


@pytest.mark.parametrize(
    ("one", "other", "sides"),
    [
        ("same", "same", ([("same", False)], [("same", False)])),
        ("Ann Lee", "Ada Lee", ([("A", False), ("nn", True), (" Lee", False)], [("A", False), ("da", True), (" Lee", False)])),
        ("aa", "aaa", ([("aa", False)], [("aa", False), ("a", True)])),
        ("", "new", ([], [("new", True)])),
        (None, "new", (None, [("new", False)])),
        ("[1", "[2", ([("[", False), ("1", True)], [("[", False), ("2", True)])),
        (5, "5", ([("5", False)], [("5", False)])),
    ],
)  # fmt: skip
def test_what_both_begin_and_end_with_is_not_marked(one: str, other: str, sides: object) -> None:
    assert marked(one, other) == sides


def test_a_document_of_json_is_compared_line_by_line() -> None:
    first, second = marked('{"name":"Ann","roles":["a","b"]}', '{"name":"Bob","roles":["a","b","c"]}')
    assert first is not None
    assert second is not None
    assert "".join(text for text, _ in first) == '{\n  "name": "Ann",\n  "roles": [\n    "a",\n    "b"\n  ]\n}'
    assert [text for text, changed in first if changed] == ["Ann"]
    assert [text for text, changed in second if changed] == ["Bob", ',\n    "c"']


def test_a_long_document_is_compared_as_a_text() -> None:
    first, second = marked(str([*range(MOST_LINES)]), str([*range(MOST_LINES), 7]))
    assert (first or [])[-1] == ("\n]", False)
    assert [changed for _, changed in second or []] == [False, True, False]

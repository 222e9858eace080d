"""A message reads the same on every channel."""

import pytest

from worker.notify import text

HOSTILE = "<b>x</b> *bold* [l](http://e.org) @everyone _it_ `code`"


def test_a_subject_is_one_short_line() -> None:
    assert text.title("It failed.\r\nBcc: somebody", "mailto") == "Redis Backup: It failed. Bcc: somebody"
    long = text.title("word " * 50, "mailto")
    assert len(long) <= text.TITLE
    assert long.endswith("word...")


@pytest.mark.parametrize("scheme", ["discord", "mmosts", "zulip"])
def test_what_reads_markdown_shows_the_marks(scheme: str) -> None:
    assert text.escaped(HOSTILE, scheme) == (
        r"\<b\>x\</b\> \*bold\* \[l\]\(http://e.org\) " + "@\u200beveryone " + r"\_it\_ \`code\`"
    )


def test_nobody_is_called_by_an_at_and_a_mail_has_it_as_it_is() -> None:
    assert "@\u200beveryone" in text.escaped(HOSTILE, "slack")
    assert text.escaped(HOSTILE, "mailtos") == HOSTILE


def test_there_is_a_link_where_it_is_known_how_people_come() -> None:
    assert text.body("It failed.", "/backups/a b", "https://host/of", "discord").endswith(
        "\n\nhttps://host/of/backups/a%20b"
    )
    assert text.body("It failed.", "/tasks", None, "ntfy") == "It failed.\n\nMore on the page /tasks of the dashboard."


def test_what_steers_a_terminal_or_turns_a_line_round_is_gone() -> None:
    assert text.body("a\x1b[31mb\u202ec\x00d", "/", None, "mailto").startswith("a [31mb c d\n\n")

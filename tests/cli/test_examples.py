"""The help of each verb ends in examples, and each of them is one that the verb takes."""

import shlex
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from worker.__main__ import cli
from worker.cli.completion import PROGRAM, VARIABLE
from worker.cli.examples import EXAMPLES
from worker.cli.verbs import VERBS

EACH = [(verb, words) for verb, examples in EXAMPLES.items() for words, _ in examples]


def test_every_verb_has_some_and_nothing_else_has() -> None:
    assert set(EXAMPLES) == set(VERBS)


def typed(words: str) -> list[str]:
    """The words that the verb itself hears: what goes behind a pipe or into a file is for others."""
    heard: list[str] = []
    for word in shlex.split(words):
        if word in ("|", ">>", ">"):
            break
        heard.append(word)
    return heard


@pytest.mark.parametrize(("verb", "words"), EACH)
def test_the_verb_takes_it(verb: str, words: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump.rdb").touch()
    root = click.Context(cli, info_name="redis-backup")
    command, heard = cli.get_command(root, verb), typed(words)
    assert command is not None
    context = command.make_context(verb, heard, root)
    if isinstance(command, click.Group):
        name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None
        inner.make_context(name, rest, context)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_shows_them_as_they_are_typed(verb: str) -> None:
    told = CliRunner().invoke(cli, [verb, "--help"], prog_name="redis-backup").output
    assert "Examples:" in told
    for words, what in EXAMPLES[verb]:
        assert f"redis-backup {verb} {words}".rstrip() in told
        assert what in told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_completes(shell: str) -> None:
    told = CliRunner().invoke(cli, ["completion", shell])
    assert told.exit_code == 0
    assert VARIABLE in told.output
    assert PROGRAM in told.output


def completed(*words: str, then: str = "") -> set[str]:
    return {item.value for item in ShellComplete(cli, {}, PROGRAM, VARIABLE).get_completions([*words], then)}


def test_verbs_options_and_choices_are_completed() -> None:
    assert completed(then="res") == {"restore"}
    assert {"--mode", "--match"} <= completed("restore", "latest", then="--m")
    assert completed("restore", "latest", "--mode", then="m") == {"mirror"}


def test_another_shell_is_misuse() -> None:
    told = CliRunner().invoke(cli, ["completion", "cmd"])
    assert (told.exit_code, "'bash', 'zsh', 'fish'" in told.output) == (2, True)

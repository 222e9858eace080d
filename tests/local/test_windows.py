"""The launchers for Windows, as far as can be tried elsewhere: the script by a parser, the batch file by Wine's cmd."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from tests.project.test_compose import COMPOSE
from tests.support.processes import ROOT

SCRIPT, BATCH = ROOT / "local/start.ps1", ROOT / "local/start.bat"


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def test_the_script_is_powershell() -> None:
    tree = Parser(Language(tree_sitter_powershell.language())).parse(SCRIPT.read_bytes())
    assert [node.start_point for node in nodes(tree.root_node) if node.type == "ERROR" or node.is_missing] == []
    functions = {node.text for node in nodes(tree.root_node) if node.type == "function_name"}
    assert {b"Test-Docker", b"Test-Wsl", b"Start-InDocker", b"Start-InWsl"} <= functions


def test_a_parser_notices_what_is_none() -> None:
    broken = SCRIPT.read_bytes().replace(b"function Test-Wsl {", b"function Test-Wsl (", 1)
    tree = Parser(Language(tree_sitter_powershell.language())).parse(broken)
    assert tree.root_node.has_error


def test_the_script_is_plain_ascii_which_every_powershell_reads_alike() -> None:
    assert SCRIPT.read_bytes().isascii()
    assert BATCH.read_bytes().isascii()


def test_the_script_sets_what_compose_asks_for() -> None:
    text = SCRIPT.read_text()
    asked = set(re.findall(r"\$\{(\w+)(?:[:?-])", (ROOT / "docker-compose.yml").read_text()))
    (given,) = re.findall(r"\$changes = @\{(.*?)\n    \}", text, re.DOTALL)
    names = set(re.findall(r"^\s+([A-Z_]+) = ", given, re.MULTILINE)) | set(re.findall(r"'([A-Z]+_[A-Z]+)'", text))
    assert names <= asked
    required = set(re.findall(r"\$\{(\w+):?\?", (ROOT / "docker-compose.yml").read_text()))
    assert required <= names
    assert COMPOSE["name"] == "redis-backup"


def test_lines_of_the_batch_file_end_as_windows_wants_them() -> None:
    text = BATCH.read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") > 10
    assert "*.bat text eol=crlf" in (ROOT / ".gitattributes").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "handed_on"),
    [
        ((), "-EveryHours 24 -Compression zstd -Keep 7"),
        (("6",), "-EveryHours 6 -Compression zstd -Keep 7"),
        (("6", "true", "14"), "-EveryHours 6 -Compression zstd -Keep 14"),
        (("6", "false", "14"), "-EveryHours 6 -Compression none -Keep 14"),
        (("12", "gzip", "3"), "-EveryHours 12 -Compression gzip -Keep 3"),
        (("stop",), "-Stop"),
    ],
)
def test_the_batch_file_hands_on_what_it_is_told(tmp_path: Path, arguments: tuple[str, ...], handed_on: str) -> None:
    wine = shutil.which("wine")
    if wine is None:
        pytest.skip("Wine is not on this machine")
    (tmp_path / "powershell.bat").write_bytes(b"@echo off\r\necho told %*\r\n")
    (tmp_path / "run.bat").write_bytes(
        f'@echo off\r\nset "PATH=Z:{tmp_path};%PATH%"\r\ncall Z:{BATCH} %*\r\n'.replace("/", "\\").encode()
    )
    said = subprocess.run(
        [wine, "cmd", "/c", "Z:" + str(tmp_path / "run.bat").replace("/", "\\"), *arguments],
        env={**os.environ, "WINEPREFIX": str(tmp_path / "prefix"), "WINEDEBUG": "-all"},
        capture_output=True,
        check=False,
        timeout=300,
    ).stdout.decode(errors="replace")
    (line,) = [line for line in said.splitlines() if line.startswith("told")]
    script = re.escape("Z:" + str(SCRIPT).replace("/", "\\"))
    assert re.fullmatch(rf'told -NoProfile -ExecutionPolicy Bypass -File "{script}" {handed_on}\s*', line)

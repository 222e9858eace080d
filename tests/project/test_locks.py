"""The locks hold what requirements*.txt ask for, all that those bring, and hashes of each."""

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
NAMES = ["requirements", "requirements-local", "requirements-rclone", "requirements-dev"]


def asked_for(name: str) -> list[Requirement]:
    """Of a file of requirements, and of those that it reads in."""
    asked = []
    for line in (ROOT / f"{name}.txt").read_text().splitlines():
        if line.startswith("-r "):
            asked += asked_for(line[3:].removesuffix(".txt"))
        elif line and not line.startswith("#"):
            asked.append(Requirement(line))
    return asked


def locked(name: str) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Requirements and hashes by name of package: one of two versions may be for some Pythons only."""
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    text = re.sub(r"^#.*\n", "", (ROOT / f"{name}.lock").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in text.splitlines():
        wanted, *hashes = line.split("--hash=")
        requirement = Requirement(wanted)
        found.setdefault(canonicalize_name(requirement.name), []).append((requirement, [one.strip() for one in hashes]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_the_version_that_is_asked_for_and_hashes_of_each_package(name: str) -> None:
    lock = locked(name)
    for requirement in asked_for(name):
        pinned = {str(found.specifier) for found, _ in lock.get(canonicalize_name(requirement.name), [])}
        assert str(requirement.specifier) in pinned, f"{requirement}: `make lock` is due"
    for found in lock.values():
        for requirement, hashes in found:
            assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
            assert hashes, requirement
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_all_that_its_packages_bring(name: str) -> None:
    """As the packages that are installed here say of themselves."""
    lock, left, seen = locked(name), asked_for(name), set()
    while left:
        requirement = left.pop()
        package = canonicalize_name(requirement.name)
        if (package, *requirement.extras) in seen or not (requirement.marker is None or requirement.marker.evaluate()):
            continue
        seen.add((package, *requirement.extras))
        assert package in lock, f"{package}: `make lock` is due"
        assert importlib.metadata.version(package) in {str(found.specifier)[2:] for found, _ in lock[package]}, package
        for line in importlib.metadata.requires(package) or []:
            brought = Requirement(line)
            extras = ["", *requirement.extras]
            if brought.marker is None or any(brought.marker.evaluate({"extra": extra}) for extra in extras):
                brought.marker = None
                left.append(brought)
    assert len(seen) > len(asked_for(name)) / 2


def test_the_locks_agree() -> None:
    """What is tested is what runs."""
    production, local, rclone, dev = map(locked, NAMES)
    assert production.items() <= local.items()
    assert {**local, **rclone}.items() <= dev.items()


def test_images_are_named_by_digest() -> None:
    lines = (ROOT / "Dockerfile").read_text() + (ROOT / "docker-compose.yml").read_text()
    images = re.findall(r"^FROM (\S+)|^ +image: (\S+)", lines, flags=re.MULTILINE)
    named = [first or second for first, second in images]
    assert len(named) == 3
    assert [name for name in named if not re.search("@sha256:[0-9a-f]{64}$", name)] == ["redis-backup"], "ours is built"

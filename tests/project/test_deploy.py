"""deploy/: each file is read by what it is for, says what docker-compose.yml says, and names what is there."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.project.test_compose import OURS, SERVICES
from tests.support.processes import ROOT
from web.api import metrics
from worker.config.settings import Settings, WebSettings

DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
NUMBER = re.compile(r"\bredis_backup_\w+")
KEEPS = {"--schedule": "var/beat-schedule"}
"""Where its folder is another one, an option says another path."""


def tool(name: str) -> str:
    """The path of a program, which only root may have on PATH."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not on this machine")
    return path


def words(command: list[str]) -> list[str]:
    """A command as compose has it: what it runs without its folder, and options that depend on where it runs left out."""
    said = [command[0].rpartition("/")[2], *(word.replace("%%", "%") for word in command[1:])]
    for option in ("--schedule", "--concurrency"):
        if option in said:
            at = said.index(option)
            del said[at : at + 2]
    return said


def composed(service: str) -> list[str]:
    return words([str(word) for word in SERVICES[service]["command"]])


def settings_of(text: str) -> set[str]:
    return set(re.findall(r"^([A-Z][A-Z_]+)=", text, re.MULTILINE))


def known() -> set[str]:
    return {name.upper() for name in (*Settings.model_fields, *WebSettings.model_fields)} | {"TZ", "BROKER_PASSWORD"}


@pytest.mark.parametrize(
    ("unit", "queue", "service"),
    [
        ("redis-backup-worker@", "jobs", "worker"),
        ("redis-backup-worker@", "quick", "quick"),
        ("redis-backup-worker@", "questions", "questions"),
        ("redis-backup-beat", "", "beat"),
        ("redis-backup-web", "", "web"),
    ],
)
def test_a_unit_starts_what_compose_starts(unit: str, queue: str, service: str) -> None:
    text = (UNITS / f"{unit}.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert words(shlex.split(line.replace("%i", queue))) == composed(service)


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """Its own folders are put where this test may make them: what it verifies are names and values."""
    analyze = tool("systemd-analyze")
    shutil.copytree(UNITS, tmp_path / "units")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    for path in (tmp_path / "units").rglob("*"):
        if path.is_file():
            text = re.sub(r"/opt/redis-backup/\.venv/bin/\w+", str(python), path.read_text())
            path.write_text(text.replace("User=redis-backup", "User=root").replace("Group=redis-backup", "Group=root"))
    units = [
        "redis-backup.target",
        *(f"redis-backup-worker@{queue}.service" for queue in ("jobs", "quick", "questions")),
    ]
    units += ["redis-backup-beat.service", "redis-backup-web.service"]
    read = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / "units" / unit) for unit in units)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path / 'units'}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in read.stderr.splitlines() if "redis-backup" in line] == []
    assert read.returncode == 0, read.stderr


def test_units_read_the_files_that_there_are_examples_of_and_only_workers_know_the_source() -> None:
    read = {
        path.relative_to(UNITS).parts[0].partition(".")[0]: set(
            re.findall(r"^EnvironmentFile=/etc/redis-backup/(\w+)\.env$", path.read_text(), re.MULTILINE)
        )
        for path in UNITS.rglob("*")
        if path.suffix in (".service", ".conf")
    }
    assert read == {
        "redis-backup-": {"common"},
        "redis-backup-worker@": {"source"},
        "redis-backup-worker@questions": {"session"},
        "redis-backup-beat": {"address"},
        "redis-backup-web": {"address", "session", "web"},
    }
    examples = {path.name.removesuffix(".env.example"): path.read_text() for path in UNITS.glob("*.example")}
    assert set(examples) == set().union(*read.values())
    for name, text in examples.items():
        assert settings_of(text) <= known(), name
    # A file that is read later would win over one before it.
    assert "REDIS_URL" not in settings_of(examples["common"])


def objects() -> Iterator[dict[str, Any]]:
    for name in kustomization()["resources"]:
        yield from yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())


def kustomization() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    return read


def containers() -> dict[str, dict[str, Any]]:
    pods = [one["spec"]["template"]["spec"] for one in objects() if one["kind"] in ("Deployment", "StatefulSet")]
    return {container["name"]: container | {"pod": pod} for pod in pods for container in pod["containers"]}


def test_every_object_of_kubernetes_fits_its_schema() -> None:
    version = kubernetes_validate.latest_version()
    kinds = [one["kind"] for one in objects() if kubernetes_validate.validate(one, version, strict=True) is not False]
    assert sorted(set(kinds)) == [
        "Deployment",
        "Namespace",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Service",
        "StatefulSet",
    ]
    named = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert named == set(kustomization()["resources"])


def test_kubernetes_runs_what_compose_runs_by_an_ordinary_user_on_a_read_only_disk() -> None:
    found = containers()
    assert set(found) == {"redis", "jobs", "quick", "questions", "beat", "web"}
    always = [service for service in OURS if "profiles" not in SERVICES[service]]
    for service, name in zip(always, ["jobs", "quick", "questions", "beat", "web"], strict=True):
        assert words(found[name]["command"]) == composed(service)
        assert found[name]["image"] == "redis-backup"
    assert found["redis"]["image"] == SERVICES["broker"]["image"]
    for container in found.values():
        assert container["pod"]["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["name"] for mount in container["volumeMounts"]} <= {
            volume["name"] for volume in [*container["pod"].get("volumes", []), {"name": "data"}]
        }


def test_kubernetes_tells_each_container_what_it_needs_and_the_source_to_workers_alone() -> None:
    made = kustomization()
    maps = {one["name"]: settings_of("\n".join(one["literals"])) for one in made["configMapGenerator"]}
    example = (DEPLOY / "kubernetes/secrets.example").read_text()
    secrets = {
        one["name"]: settings_of(example.partition(f"# {one['envs'][0]}")[2].partition("\n\n")[0])
        for one in made["secretGenerator"]
    }
    assert all(secrets.values())
    assert set().union(*maps.values(), *secrets.values()) <= known()
    told = {
        name: {next(iter(source.values()))["name"] for source in container.get("envFrom", [])}
        for name, container in containers().items()
    }
    assert set().union(*told.values()) == set(maps) | set(secrets)
    assert {name for name, sources in told.items() if "source" in sources} == {"jobs", "quick", "questions"}
    assert {name for name, sources in told.items() if "session" in sources} == {"questions", "web"}
    assert {name for name, sources in told.items() if "web" in sources} == {"web"}


@pytest.mark.parametrize("service", ["web", "worker", "beat"])
def test_railway_builds_our_image_and_runs_what_compose_runs(service: str) -> None:
    said = json.loads((DEPLOY / f"railway/{service}.json").read_text())
    assert said["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    assert (ROOT / "Dockerfile").is_file()
    command = words(shlex.split(said["deploy"]["startCommand"]))
    if service == "worker":
        # One for all three queues, as the image itself starts.
        (line,) = [text for text in (ROOT / "Dockerfile").read_text().splitlines() if text.startswith("CMD ")]
        assert command == words(json.loads(line.removeprefix("CMD ")))
    else:
        assert command == composed(service)
    assert said["deploy"]["numReplicas"] == 1
    assert said["deploy"].get("healthcheckPath", "/healthz") == "/healthz"


def test_prometheus_and_grafana_ask_for_numbers_that_there_are() -> None:
    given = {
        path.name: path.read_text() for path in (DEPLOY / "prometheus/rules.yml", DEPLOY / "grafana/dashboard.json")
    }
    named = (ROOT / "docs/guide.md").read_text() + Path(metrics.__file__).read_text()
    for name, text in given.items():
        asked = set(NUMBER.findall(text))
        assert len(asked) > 5, name
        # The guide's table is compared with what /metrics gives by tests/web/api/test_health.py.
        assert {number for number in asked if number not in named} == set()
    rules = [rule for group in yaml.safe_load(given["rules.yml"])["groups"] for rule in group["rules"]]
    assert all(rule["expr"] and rule["annotations"]["summary"] for rule in rules)
    panels = json.loads(given["dashboard.json"])["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_promtool_reads_the_rules() -> None:
    read = subprocess.run(
        [tool("promtool"), "check", "rules", str(DEPLOY / "prometheus/rules.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode == 0, read.stdout + read.stderr


def test_caddy_reads_its_file() -> None:
    command = [tool("caddy"), "adapt", "--config", str(DEPLOY / "proxy/Caddyfile"), "--adapter", "caddyfile"]
    read = subprocess.run(command, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert "127.0.0.1:8000" in read.stdout

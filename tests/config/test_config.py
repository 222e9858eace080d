"""Settings: from the environment or a file, typed, and never printed when they are wrong."""

import math
import os
from collections.abc import Iterator
from datetime import datetime, time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.support.processes import CANARY
from worker.arguments.backups import BackupArguments, PruneArguments
from worker.arguments.restore import RestoreArguments
from worker.config.settings import LOCAL_BROKER_PASSWORD, Settings, load
from worker.config.validation import first_fault
from worker.errors import UsageError

NAMES = [name.upper() for name in Settings.model_fields]
NEEDS = {
    "BACKUP_LOCAL_KEEP": ("BACKUP_COPIES", "s3://bucket/of/redis"),
    "NOTIFY_WEBHOOK_URL": ("NOTIFY_WEBHOOK_SECRET", "0123456789abcdef" * 2),
}
"""Settings that cannot be without another one."""
ANY_TEXT = (
    *("BACKUP_STORAGE", "BACKUP_COPIES", "BACKUP_CACHE", "BACKUP_AGE_IDENTITY_FILE", "BACKUP_AGE_PASSPHRASE"),
    *("BACKUP_STATE", "BACKUP_STREAM_FOLDER", "BACKUP_SIGNING_KEY_FILE"),
)
# The example of age's own specification.
AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
# The first test vector of RFC 8032.
SIGNING = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def _set(monkeypatch: pytest.MonkeyPatch, name: str, given: str) -> None:
    """With what it cannot be without."""
    monkeypatch.setenv(name, given)
    if needed := NEEDS.get(name):
        monkeypatch.setenv(*needed)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment in which nothing of ours is set, and settings that are read anew."""
    for name in list(os.environ):
        if name.removesuffix("_FILE") in NAMES:
            monkeypatch.delenv(name)
    load.cache_clear()
    yield
    load.cache_clear()


def test_nothing_need_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert settings.redis_url == "redis://127.0.0.1:26391/0"
    assert settings.celery_broker_url == "redis://127.0.0.1:26390/0"
    assert settings.celery_result_backend == "redis://127.0.0.1:26390/1"
    assert (settings.backup_storage, settings.backup_engine, settings.backup_format) == ("backups", "auto", "rdb")
    assert (settings.backup_compression, settings.backup_databases) == (None, None)
    assert (settings.backup_keep, settings.backup_daily_at, settings.backup_every_hours) == (7, time(3, 0), 24)
    assert (settings.tz, settings.log_level, settings.log_format) == ("UTC", "INFO", "auto")


def test_the_broker_of_make_run_is_found_with_its_password_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    LOCAL_BROKER_PASSWORD.parent.mkdir()
    LOCAL_BROKER_PASSWORD.write_text("canary-of-the-broker\n")
    settings = load()
    assert settings.celery_broker_url == "redis://:canary-of-the-broker@127.0.0.1:26390/0"
    assert settings.celery_result_backend == "redis://:canary-of-the-broker@127.0.0.1:26390/1"
    load.cache_clear()
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere:6379/0")
    assert load().celery_broker_url == "redis://elsewhere:6379/0"
    load.cache_clear()
    LOCAL_BROKER_PASSWORD.write_bytes(b"\xff")
    assert load().celery_result_backend == "redis://127.0.0.1:26390/1"


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("REDIS_URL", "rediss://user:password@host:6380/2?ssl_ca_certs=/ca.pem", None),
        ("REDIS_URL", "unix:///run/redis.sock", None),
        ("CELERY_BROKER_URL", "redis://broker:6379/0", None),
        ("CELERY_RESULT_BACKEND", "redis://broker:6379/1", None),
        ("BACKUP_STORAGE", "/var/backups/redis", None),
        ("BACKUP_STORAGE", "s3://bucket/of/redis", None),
        ("BACKUP_STORAGE", "gs://bucket//of/redis/", "gs://bucket/of/redis"),
        ("BACKUP_STORAGE", "az://container", None),
        ("BACKUP_COPIES", "s3://bucket/of//redis,\n/mnt/redis", ("s3://bucket/of/redis", "/mnt/redis")),
        ("BACKUP_STORAGE", "sftp://Me@Host.example:0022//of/redis/", "sftp://Me@host.example/of/redis"),
        ("BACKUP_STORAGE", "sftp://[::1]:2222/~/of-redis", None),
        (
            "BACKUP_STORAGE",
            "webdavs://me%40example.org@host:443/remote.php/dav",
            "webdavs://me%40example.org@host/remote.php/dav",
        ),
        ("BACKUP_STORAGE", "webdav://host:8080", None),
        ("BACKUP_STORAGE", "gdrive://1aFolder_of-Drive/", "gdrive://1aFolder_of-Drive"),
        ("BACKUP_STORAGE", "rclone://a-remote/of/redis", None),
        ("BACKUP_COPIES_LATE_HOURS", "0.5", 0.5),
        ("BACKUP_COPIES_KEEP", "30", 30),
        ("BACKUP_LOCAL_KEEP", "2", 2),
        ("BACKUP_CACHE", "/var/cache/backups", None),
        ("BACKUP_CACHE_BYTES", "0", 0),
        ("BACKUP_ENGINE", "scan", None),
        ("BACKUP_FORMAT", "json", None),
        ("BACKUP_COMPRESSION", "gzip", None),
        ("BACKUP_AGE_RECIPIENTS", f"{AGE}, {AGE}", (AGE,)),
        ("BACKUP_AGE_IDENTITY_FILE", "/run/secrets/key.txt", None),
        ("BACKUP_AGE_PASSPHRASE", "correct horse", None),
        ("BACKUP_STATE", "/var/lib/redis-backup", None),
        ("BACKUP_SIGNING_KEY_FILE", "/run/secrets/signing.pem", None),
        ("BACKUP_TRUSTED_KEYS", f"{SIGNING}, {SIGNING}", (SIGNING,)),
        ("BACKUP_DATABASES", "0, 3", frozenset({0, 3})),
        ("BACKUP_DATABASES", "3", frozenset({3})),
        ("BACKUP_KEEP", "30", 30),
        ("BACKUP_KEEP_MANUAL", "3", 3),
        ("BACKUP_KEEP_HOURLY", "24", 24),
        ("BACKUP_SUSPICIOUS_KEYS", "12.5", 12.5),
        ("BACKUP_SUSPICIOUS_BYTES", "100", 100),
        ("BACKUP_KEEP_DAILY", "14", 14),
        ("BACKUP_KEEP_WEEKLY", "8", 8),
        ("BACKUP_KEEP_MONTHLY", "12", 12),
        ("BACKUP_KEEP_YEARLY", "10", 10),
        ("BACKUP_KEEP_HOURS", "1.5", 1.5),
        ("BACKUP_KEEP_BYTES", "5000000000", 5_000_000_000),
        ("BACKUP_UNDO_DAYS", "0", 0),
        ("BACKUP_TRASH_DAYS", "0", 0),
        ("BACKUP_PACE", "full", "full"),
        ("BACKUP_STREAM_SECONDS", "5", 5.0),
        ("BACKUP_STREAM", "listen", "listen"),
        ("BACKUP_STREAM_CLOCK", "publish", "publish"),
        ("BACKUP_STREAM_HOURS", "12", 12.0),
        ("BACKUP_STREAM_FOLDER", "/var/lib/stream", None),
        ("BACKUP_FULL_EVERY_DAYS", "7", 7.0),
        ("BACKUP_DAILY_AT", "23:59", time(23, 59)),
        ("BACKUP_DAILY_AT", "4:05", time(4, 5)),
        ("BACKUP_EVERY_HOURS", "0.5", 0.5),
        ("REDIS_TARGETS", "a=redis://h:1\nb=rediss://i", {"a": "redis://h:1", "b": "rediss://i"}),
        ("BACKUP_SOURCE_AWAY_MINUTES", "5", 5),
        ("BACKUP_ROOM_FOR", "7", 7),
        ("NOTIFY_QUIET", "22:00-7:00", (time(22), time(7))),
        ("NOTIFY_SUMMARY", "Sunday 18:30", (6, time(18, 30))),
        ("NOTIFY_AGAIN_DAYS", "2", 2),
        ("QUESTION_MINUTES", "90", 90),
        (
            "NOTIFY_URLS",
            "mailtos://a:b@c?to=d,e, slack://f/g/h\nntfy://i",
            ("mailtos://a:b@c?to=d,e", "slack://f/g/h", "ntfy://i"),
        ),
        ("NOTIFY_LEVEL", "Bad", ("bad",)),
        ("NOTIFY_WEBHOOK_URL", "https://host/hook?key=word", None),
        ("NOTIFY_WEBHOOK_SECRET", "0123456789abcdef" * 2, None),
        ("HEARTBEAT_URL", "https://hc-ping.com/of-mine", None),
        ("PUBLIC_URL", "https://host:8443/redis/", "https://host:8443/redis"),
        ("DRILL_EVERY_DAYS", "0", 0),
        ("DRILL_SERVERS", "", ()),
        ("RESTORE_WHOLE_KEYS", "0", 0),
        ("MIRROR_BIND", "10.0.0.5", None),
        ("MIRROR_PORT", "26000", 26000),
        ("MIRROR_FROM", "10.0.0.5, 10.1.0.0/16", (ip_network("10.0.0.5"), ip_network("10.1.0.0/16"))),
        ("TZ", "Europe/Berlin", None),
        ("LOG_LEVEL", "DEBUG", None),
        ("LOG_FORMAT", "text", None),
        ("SESSION_SECRET", "0123456789abcdef" * 2, None),
    ],
)
def test_a_setting_is_read(name: str, given: str, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, name, given)
    assert getattr(load(), name.lower()) == (given if read is None else read)


def test_every_setting_is_tried_above() -> None:
    tried = {case[0] for case in test_a_setting_is_read.pytestmark[0].args[1]}
    assert tried == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_empty_means_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(load(), name.lower())
    load.cache_clear()
    monkeypatch.setenv(name, "")
    assert getattr(load(), name.lower()) == default


@pytest.mark.parametrize("name", ["NOTIFY_QUIET", "NOTIFY_SUMMARY"])
def test_a_time_can_be_said_to_be_never(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "off")
    assert getattr(load(), name.lower()) is None


@pytest.mark.parametrize("databases", ["all", " "])
def test_all_databases_can_be_said(databases: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_DATABASES", databases)
    assert load().backup_databases is None


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *((name, f"http://user:{CANARY}@host") for name in NAMES if name.endswith(("_URL", "_BACKEND"))),
        ("REDIS_URL", CANARY),
        *((name, CANARY) for name in NAMES if name not in ANY_TEXT),
        ("BACKUP_AGE_IDENTITY_FILE", f"AGE-SECRET-KEY-1{CANARY}"),
        ("BACKUP_CACHE", f"s3://{CANARY}"),
        ("BACKUP_STATE", f"s3://{CANARY}"),
        ("BACKUP_STREAM_FOLDER", f"s3://{CANARY}"),
        ("BACKUP_SIGNING_KEY_FILE", f"-----BEGIN PRIVATE KEY-----{CANARY}"),
        ("BACKUP_TRUSTED_KEYS", f"{SIGNING}{CANARY}"),
        ("BACKUP_TRUSTED_KEYS", SIGNING.replace("=", CANARY)),
        ("BACKUP_TRUSTED_KEYS", SIGNING[:-5]),
        ("BACKUP_STORAGE", f"s3://key:{CANARY}@bucket"),
        ("BACKUP_STORAGE", f"s3://{CANARY.upper()}"),
        ("BACKUP_STORAGE", f"s3://bucket/../{CANARY}"),
        ("BACKUP_STORAGE", f"s3://bucket?key={CANARY}"),
        ("BACKUP_STORAGE", f"https://{CANARY}/"),
        ("BACKUP_COPIES", f"/mnt, s3://key:{CANARY}@bucket"),
        ("BACKUP_COPIES", f"/{CANARY}, /mnt/../{CANARY}"),
        ("BACKUP_COPIES", "backups"),
        ("BACKUP_STORAGE", f"sftp://me:{CANARY}@host/folder"),
        ("BACKUP_STORAGE", f"webdavs://me:{CANARY}@host/folder"),
        ("BACKUP_STORAGE", f"sftp://me@host:70000/{CANARY}"),
        ("BACKUP_STORAGE", f"sftp://me@host/../{CANARY}"),
        ("BACKUP_STORAGE", f"sftp://me@host/folder?password={CANARY}"),
        ("BACKUP_STORAGE", f"gdrive://{CANARY}:{CANARY}"),
        ("BACKUP_STORAGE", f"rclone://remote:{CANARY}/x"),
        ("BACKUP_STORAGE", f"rclone:///{CANARY}"),
        ("BACKUP_COPIES_LATE_HOURS", "0"),
        ("BACKUP_COPIES_KEEP", "6"),
        ("BACKUP_LOCAL_KEEP", "2"),
        ("BACKUP_KEEP", "0"),
        ("BACKUP_KEEP", "-1"),
        ("BACKUP_KEEP_MANUAL", "0"),
        ("BACKUP_KEEP_HOURLY", "-1"),
        ("BACKUP_SUSPICIOUS_KEYS", "0"),
        ("BACKUP_SUSPICIOUS_BYTES", "101"),
        ("BACKUP_KEEP_DAILY", "-1"),
        ("BACKUP_KEEP_WEEKLY", "1.5"),
        ("BACKUP_KEEP_MONTHLY", "all"),
        ("BACKUP_KEEP_YEARLY", "100001"),
        ("BACKUP_KEEP_HOURS", "-0.1"),
        ("BACKUP_KEEP_HOURS", "nan"),
        ("BACKUP_KEEP_BYTES", "5GB"),
        ("RESTORE_WHOLE_KEYS", "-1"),
        ("BACKUP_DAILY_AT", "24:00"),
        ("BACKUP_DAILY_AT", "3"),
        ("BACKUP_EVERY_HOURS", "0"),
        ("BACKUP_EVERY_HOURS", "nan"),
        ("BACKUP_EVERY_HOURS", "inf"),
        ("NOTIFY_QUIET", "22:00"),
        ("NOTIFY_QUIET", "22:00-22:00"),
        ("NOTIFY_QUIET", "22:00-25:00"),
        ("NOTIFY_SUMMARY", "monday"),
        ("NOTIFY_SUMMARY", "someday 09:00"),
        ("BACKUP_ROOM_FOR", "-1"),
        ("QUESTION_MINUTES", "0"),
        ("DRILL_EVERY_DAYS", "-1"),
        ("DRILL_EVERY_DAYS", "nan"),
        ("DRILL_SERVERS", f"/{CANARY}/redis-server"),
        ("DRILL_SERVERS", "redis-server"),
        ("DRILL_SERVERS", "/bin/sh"),
        ("QUESTION_MINUTES", "721"),
        ("BACKUP_DATABASES", "-1"),
        ("BACKUP_DATABASES", "0;1"),
        ("REDIS_TARGETS", f"Staging=redis://:{CANARY}@h:6379"),
        ("REDIS_TARGETS", f"a=redis://:{CANARY}@h a=redis://i"),
        ("NOTIFY_URLS", f"json://host mailto:{CANARY}"),
        ("NOTIFY_URLS", f"json://{CANARY} json://{CANARY}"),
        ("NOTIFY_LEVEL", "info, bad, bad"),
        ("NOTIFY_WEBHOOK_URL", f"https:///{CANARY}"),
        ("NOTIFY_WEBHOOK_URL", f"https://host:{CANARY}"),
        ("NOTIFY_WEBHOOK_SECRET", "short"),
        ("HEARTBEAT_URL", f"https://host/with blanks/{CANARY}"),
        ("PUBLIC_URL", f"https://host?key={CANARY}"),
        ("TZ", "../../etc/passwd"),
        ("TZ", "/etc/localtime"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_is_named_and_not_printed(name: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, given)
    with pytest.raises(UsageError) as caught:
        load()
    said = str(caught.value)
    assert said.startswith(f"The setting {name} is wrong: ")
    assert len(said) > len(f"The setting {name} is wrong: .")
    assert CANARY not in said
    assert caught.value.__cause__ is None, "the traceback must not show it either"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_may_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = next(case[1] for case in test_a_setting_is_read.pytestmark[0].args[1] if case[0] == name)
    _set(monkeypatch, name, given)
    direct = getattr(load(), name.lower())
    load.cache_clear()
    monkeypatch.delenv(name)
    (secret := tmp_path / "secret").write_text(f"{given}\n")
    monkeypatch.setenv(f"{name}_FILE", str(secret))
    assert getattr(load(), name.lower()) == direct


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secret := tmp_path / "secret").write_text("redis://from-the-file:6379/0")
    monkeypatch.setenv("REDIS_URL_FILE", str(secret))
    monkeypatch.setenv("REDIS_URL", "redis://from-the-environment:6379/0")
    assert load().redis_url == "redis://from-the-environment:6379/0"


def test_a_wrong_value_in_a_file_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secret := tmp_path / "secret").write_text(f"ftp://:{CANARY}@host")
    monkeypatch.setenv("REDIS_URL_FILE", str(secret))
    with pytest.raises(UsageError, match="The setting REDIS_URL is wrong: must begin with redis://") as caught:
        load()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("REDIS_URL_FILE", str(path))
    with pytest.raises(UsageError, match=r"^REDIS_URL_FILE names a file that cannot be read: .*secret$"):
        load()


def test_an_empty_name_of_a_file_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL_FILE", "")
    assert load().redis_url == "redis://127.0.0.1:26391/0"


def test_settings_are_read_once_and_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load()
    monkeypatch.setenv("BACKUP_KEEP", "3")
    assert load() is settings
    with pytest.raises(ValueError, match="frozen"):
        settings.backup_keep = 3


def test_a_fault_is_told_without_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(backup_keep=CANARY)  # type: ignore[arg-type]
    assert CANARY not in str(caught.value)
    assert str(first_fault(caught.value)) == "backup_keep: must be a whole number"


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (BackupArguments, {"format": "xml"}, "format: must be 'rdb' or 'json'"),
        (BackupArguments, {"fromat": "rdb"}, "fromat: is not known here"),
        (BackupArguments, {"databases": {"0": 1}}, "databases: must be a list"),
        (BackupArguments, {"databases": ["x"]}, "databases.0: must be a whole number"),
        (BackupArguments, {"databases": -1}, "databases.0: must be at least 0"),
        (BackupArguments, {"unless_younger_than_hours": 0}, "unless_younger_than_hours: must be more than 0"),
        (BackupArguments, {"unless_younger_than_hours": "x"}, "unless_younger_than_hours: must be a number"),
        (
            BackupArguments,
            {"unless_younger_than_hours": math.inf},
            "unless_younger_than_hours: must be a finite number",
        ),
        (BackupArguments, [], "arguments: must be names with values"),
        (RestoreArguments, {}, "name: must be given"),
        (RestoreArguments, {"name": 1}, "name: must be text"),
        (RestoreArguments, {"name": ""}, "name: must have at least 1 character"),
        (RestoreArguments, {"name": "x" * 201}, "name: must have at most 200 characters"),
        (RestoreArguments, {"name": "x", "types": "set"}, "types: must be a list"),
        (PruneArguments, {"keep": 0}, "keep: must be at least 1"),
        (PruneArguments, {"keep": 1.5}, "keep: must be a whole number"),
        (PruneArguments, {"keep": "9" * 5000}, "keep: must be a whole number"),
        (PruneArguments, {"keep_daily": -1}, "keep_daily: must be at least 0"),
        (PruneArguments, {"keep_hours": math.nan}, "keep_hours: must be a finite number"),
        (PruneArguments, {"dry_run": "perhaps"}, "dry_run: must be true or false"),
        (Settings, {"backup_keep": 100_001}, "backup_keep: must be at most 100,000"),
        (Settings, {"backup_every_hours": 9e9}, "backup_every_hours: must be at most 8,760"),
        (BackupArguments, {"x" * 5000: 1}, "x" * 80 + ": is not known here"),
        (BackupArguments, {"databases": []}, "databases: must name a database or more, or be left out for all"),
        (
            RestoreArguments,
            {"name": "x", "databases": []},
            "databases: must name a database or more, or be left out for all",
        ),
        (RestoreArguments, {"name": "x", "types": []}, "types: must have at least 1 item"),
        (Settings, {"log_level": "LOUD"}, "log_level: must be 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
    ],
)
def test_a_fault_is_told_in_plain_words(model: type[BaseModel], given: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert str(first_fault(caught.value)) == said


def test_what_no_word_was_found_for_is_told_in_the_words_of_pydantic() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(datetime).validate_python("x")
    assert str(first_fault(caught.value)).startswith("arguments: must be a valid datetime")


@pytest.mark.parametrize("level", ["info", "Info", "INFO"])
def test_the_log_level_may_be_written_in_any_case(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    assert load().log_level == "INFO"

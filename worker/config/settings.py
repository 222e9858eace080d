"""Every setting, read once from the environment, typed; a wrong one is named and its value never printed."""

import os
from datetime import time
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.config.age_keys import IdentityFile, Recipients
from worker.config.fields import (
    Address,
    CacheFolder,
    Databases,
    LogLevel,
    Networks,
    Password,
    PasswordHash,
    Programs,
    Quiet,
    RedisTargets,
    RedisURL,
    Secret,
    WatchedURL,
    Weekly,
    WeekTime,
)
from worker.config.notify_urls import Levels, NotifyURLs, PageURL, PublicURL
from worker.config.schedule import in_force
from worker.config.schedule.chosen import Chosen
from worker.config.schedule.plan import Plan
from worker.config.signing_keys import SigningKeyFile, TrustedKeys
from worker.config.storage_url import StorageURL, StorageURLs, place_of
from worker.config.validation import first_fault
from worker.errors import UsageError

# What `make run` starts, on ports of its own: a second terminal needs no settings to talk to it.
LOCAL_BROKER_PORT = 26390
LOCAL_SOURCE_PORT = 26391
LOCAL_BROKER_PASSWORD = Path("var/broker-password")
"""What its broker asks for: random, and to be read by whoever started it, in the same folder."""

FormatName = Literal["rdb", "json"]
CompressionName = Literal["zstd", "gzip", "none"]
EngineName = Literal["auto", "replication", "scan", "typed"]
PaceName = Literal["auto", "full"]
StreamName = Literal["visit", "listen"]
ClockName = Literal["visit", "info", "publish"]
LogFormat = Literal["auto", "json", "text"]


class SecretFiles(PydanticBaseSettingsSource):
    """`NAME_FILE` holds the path of a file with the value: how Docker and systemd hand over secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's signature
        """What its file holds."""
        path = os.environ.get(f"{field_name.upper()}_FILE", "")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text().strip(), field_name, False
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"{field_name.upper()}_FILE names a file that cannot be read: {path}") from None

    def __call__(self) -> dict[str, Any]:
        """What the files hold that are named."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def local_broker(db: int, port: int = LOCAL_BROKER_PORT) -> str:
    """The URL of the broker of `make run`, with its password where this user can read that."""
    try:
        word = LOCAL_BROKER_PASSWORD.read_text().strip()
    except (OSError, UnicodeDecodeError):
        word = ""
    return f"redis://{f':{word}@' if word else ''}127.0.0.1:{port}/{db}"


class FromEnvironment(BaseSettings):
    """What is said in the environment; each also as NAME_FILE."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and behind it the files that NAME_FILE names."""
        return init_settings, env_settings, SecretFiles(settings_cls)


class Settings(Plan, FromEnvironment):
    """The settings of one process; each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        hide_input_in_errors=True, env_ignore_empty=True, frozen=True, extra="ignore", enable_decoding=False
    )

    redis_url: WatchedURL = f"redis://127.0.0.1:{LOCAL_SOURCE_PORT}/0"
    redis_targets: RedisTargets = {}
    celery_broker_url: RedisURL = Field(default_factory=lambda: local_broker(0), validate_default=True)
    celery_result_backend: RedisURL = Field(default_factory=lambda: local_broker(1), validate_default=True)
    backup_storage: StorageURL = "backups"
    backup_copies: StorageURLs = ()
    """Other storages that every good backup is copied to."""
    backup_copies_late_hours: float = Field(default=6, gt=0, le=24 * 365)
    """How old a backup may be that is not there yet."""
    backup_cache: CacheFolder = "var/cache"
    """Where files of a storage that is no folder lie for as long as they are written or read, and the last ones longer."""
    backup_cache_bytes: int = Field(default=10 << 30, ge=0)
    """How much of what was read is kept there."""
    backup_engine: EngineName = "auto"
    backup_format: FormatName = "rdb"
    backup_compression: CompressionName | None = None
    """None: what suits the format, zstd for rdb and gzip for json."""
    backup_age_recipients: Recipients = ()
    """Public keys that backups are encrypted to; none: they are not encrypted."""
    backup_age_identity_file: IdentityFile | None = None
    """The file with a secret key, where backups are read; it is opened when the first is."""
    backup_age_passphrase: str | None = None
    """Of that file, where it has one."""
    backup_state: CacheFolder = "var/signing"
    """Where this machine keeps what it must not lose: the key that it signs with, and what it has signed into which storage."""
    backup_signing_key_file: SigningKeyFile | None = None
    """The file with that key, where it is another; it must exist."""
    backup_trusted_keys: TrustedKeys = ()
    """Public keys, beside our own, whose signatures are trusted, and then nothing that is not signed; none: whoever signed there
    before we did, and what is older than our first signature."""
    backup_stream_seconds: float = Field(default=0, ge=0, le=3600, allow_inf_nan=False)
    """How often the source is asked for what has come in its replication stream; 0: never."""
    backup_stream: StreamName = "visit"
    """`visit`: it is asked and let go; `listen`: it is followed all the time."""
    backup_stream_clock: ClockName = "visit"
    """What tells when the stream stood where: each visit, or between two of them, each second, `info` or a mark by `publish`."""
    backup_stream_hours: float = Field(default=48, ge=1, le=24 * 3650, allow_inf_nan=False)
    """For how long any moment can be gone back to."""
    backup_full_every_days: float = Field(default=0, ge=0, le=365, allow_inf_nan=False)
    """How old a snapshot may be that the schedule's backups are made from, with the stream since; 0: each is a snapshot."""
    backup_stream_folder: CacheFolder = "var/stream"
    """Where the stream lies on this machine until it goes into storage, an hour at a time."""
    backup_databases: Databases = None
    backup_pace: PaceName = "auto"
    """Key by key: `auto` is gentle beside live traffic, `full` is as fast as it can be."""
    backup_suspicious_keys: float = Field(default=50, ge=1, le=100)
    """By more than how many percent the keys may not fall against the last good backups; with 100 that is never suspicious."""
    backup_suspicious_bytes: float = Field(default=50, ge=1, le=100)
    """The same of the bytes of the data."""
    backup_copies_keep: int | None = Field(default=None, ge=1, le=100_000)
    """How many of the schedule's backups each of BACKUP_COPIES keeps; None: as many as BACKUP_KEEP."""
    backup_local_keep: int | None = Field(default=None, ge=1, le=100_000)
    """How many stay in BACKUP_STORAGE once they lie in each of BACKUP_COPIES; None: as many as the others say."""
    backup_undo_days: int = Field(default=7, ge=0, le=3650)
    """How long a restore can be undone; with 0 nothing is kept for that."""
    backup_trash_days: int = Field(default=7, ge=0, le=3650)
    """How long a deleted backup can be put back; with 0 it is gone at once."""
    backup_source_away_minutes: float = Field(default=15, ge=0, le=60 * 24 * 365)
    """For how long the source may be away before somebody is told."""
    backup_room_for: int = Field(default=3, ge=0, le=1000)
    """For how many backups like the newest the storage must have room; with 0 nobody looks."""
    notify_quiet: Quiet = None
    """In TZ: what is not bad is told when it ends."""
    notify_summary: Weekly = WeekTime(0, time(9, 0))
    """In TZ: when a summary of the week is told."""
    notify_again_days: float = Field(default=0, ge=0, le=365)
    """After how many days what is still wrong is told again; with 0 never."""
    drill_servers: Programs = ()
    """Paths of servers for that, besides those of PATH."""
    question_minutes: float = Field(default=15, gt=0, le=12 * 60)
    """How long a preview or a search of the queue may take."""
    notify_urls: NotifyURLs = Field(default=(), repr=False)
    """Who is told when something is wrong, as apprise writes addresses; each is a secret."""
    notify_level: Levels = ("info",)
    """From which level on: one for all, or one for each of them."""
    notify_webhook_url: PageURL | None = Field(default=None, repr=False)
    """Where a program is told of everything, signed with the secret."""
    notify_webhook_secret: Secret | None = Field(default=None, repr=False, validate_default=True)
    heartbeat_url: PageURL | None = Field(default=None, repr=False)
    """What expects to hear of each backup of the schedule, and sounds the alarm where it does not."""
    public_url: PublicURL | None = None
    """Where people reach the dashboard: messages link to its pages."""
    restore_whole_keys: int = Field(default=100_000, ge=0)
    """From so many keys on an empty target loads a whole backup as one file, as a mirror does; 0: never."""
    mirror_bind: Address | None = None
    """The address where a mirror's target fetches its data; None: the one that our own connection to it comes from."""
    mirror_port: int = Field(default=0, ge=0, le=65535)
    """The port for that, open only meanwhile; 0: any free one."""
    mirror_from: Networks = ()
    """Where it comes from; empty: from where we reach it."""
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "auto"
    """`auto`: for people where the log is a terminal, JSON elsewhere."""
    session_secret: Secret | None = None
    """Seals values that are shown; the dashboard, which opens them, also signs sessions with it."""

    @field_validator("backup_copies_keep")
    @classmethod
    def _keep_more_elsewhere(cls, value: int | None, others: ValidationInfo) -> int | None:
        if value is not None and value < others.data.get("backup_keep", value):
            raise ValueError(
                "must be at least BACKUP_KEEP: what is kept at home would be copied, and given up there, again and again"
            )
        return value

    @field_validator("backup_local_keep")
    @classmethod
    def _has_copies(cls, value: int | None, others: ValidationInfo) -> int | None:
        if value is not None and not others.data.get("backup_copies", True):
            raise ValueError("must not be set without BACKUP_COPIES: nothing else would hold what is given up")
        return value

    @field_validator("notify_level")
    @classmethod
    def _one_each(cls, value: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        if len(value) not in (1, len(others.data.get("notify_urls", value))):
            raise ValueError("must be one level for all of NOTIFY_URLS, or one for each of them")
        return value

    @field_validator("notify_webhook_secret")
    @classmethod
    def _signs(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None and others.data.get("notify_webhook_url") is not None:
            raise ValueError("must be set with NOTIFY_WEBHOOK_URL: it signs what is sent there")
        return value

    @field_validator("backup_copies")
    @classmethod
    def _lie_elsewhere(cls, value: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        home = others.data.get("backup_storage")
        if home is not None and place_of(home) in map(place_of, value):
            raise ValueError("must not name BACKUP_STORAGE itself: a copy beside the original is lost with it")
        return value


class WebSettings(Settings):
    """What only the dashboard needs to know. There is no default for a secret, so none can be forgotten."""

    session_secret: Secret
    """At least 32 characters."""
    admin_password_hash: PasswordHash | None = None
    """As werkzeug's generate_password_hash writes it; instead of the password."""
    admin_password: Password | None = Field(default=None, validate_default=True)
    port: int = Field(default=8000, ge=1, le=65535)
    web_bind: str = "127.0.0.1"
    """The address to listen on: 0.0.0.0 for every network of this machine."""
    web_proxies: int = Field(default=0, ge=0, le=9)
    """How many proxies stand before the dashboard and tell of the client in X-Forwarded-For and -Proto."""

    @field_validator("admin_password")
    @classmethod
    def _is_there(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None and others.data.get("admin_password_hash") is None:
            raise ValueError("must be set, or ADMIN_PASSWORD_HASH in its place")
        return value


class Timing(BaseSettings):
    """For tests only: they shorten minutes to seconds."""

    model_config = SettingsConfigDict(env_prefix="REDIS_BACKUP_", frozen=True, extra="ignore")

    lease_seconds: float = Field(default=60, gt=0, allow_inf_nan=False)
    """How long a silent run counts as alive and keeps its locks."""


@cache
def load_timing() -> Timing:
    """The same for every process that shares a broker."""
    return Timing()


Kind = TypeVar("Kind", bound=Settings)


class Loaded(Generic[Kind]):
    """The settings of this process: what the environment says, read once, and where it says nothing what was chosen last."""

    def __init__(self, kind: type[Kind]) -> None:
        self._kind = kind
        self._said: Kind | None = None
        self._shown: tuple[Chosen, Kind] | None = None

    def __call__(self) -> Kind:
        """All of them. UsageError names the first one that is wrong."""
        chosen = in_force.chosen(self.said.celery_broker_url, self.said.backup_state)
        if self._shown is None or self._shown[0] is not chosen:
            self._shown = chosen, laid_over(self.said, chosen)
        return self._shown[1]

    @property
    def said(self) -> Kind:
        """What the environment says, and the defaults: `model_fields_set` names what it says. UsageError."""
        if self._said is None:
            self._said = _read(self._kind)
        return self._said

    def cache_clear(self) -> None:
        """Read the environment anew when somebody asks next."""
        self._said = self._shown = None


load = Loaded(Settings)
load_web = Loaded(WebSettings)
"""The same for the dashboard, with what only it needs."""


def laid_over(said: Kind, chosen: Chosen) -> Kind:
    """These settings with what was chosen, where the environment says nothing."""
    free = {field: value for field, value in chosen.typed.items() if field not in said.model_fields_set}
    return said.model_copy(update=free) if free else said


def _read(kind: type[Kind]) -> Kind:
    try:
        return kind()
    except ValidationError as error:
        fault = first_fault(error)
        raise UsageError(f"The setting {fault.name.upper()} is wrong: {fault.what}.") from None

"""Tokens, the epoch of sessions and the audit log, in a real Redis; and the commands of the shell for tokens."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from tests.conftest import StartServer
from tests.support.processes import CANARY, Shell
from tests.support.servers import Binary, Server
from worker.broker import audit, tokens
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, NotFoundError, RefusedError, UsageError


@pytest.fixture
def broker(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest, password=CANARY)


@pytest.fixture
def settings(broker: Server) -> Iterator[Settings]:
    """Settings with that broker, in a process that has seen nothing yet."""
    tokens._seen.clear()
    yield Settings(celery_broker_url=broker.url)
    tokens._seen.clear()


@pytest.fixture
def shell(broker: Server, tmp_path: Path) -> Shell:
    """A shell at that broker."""
    return Shell("redis://127.0.0.1:1/0", tmp_path / "backups", tmp_path, nowhere=broker.url)


def content(broker: Server) -> str:
    """All that the broker holds."""
    client = broker.client()
    return "".join(repr(client.dump(key)) for key in client.scan_iter())


def age_memory(seconds: float) -> None:
    """Let what this process saw last grow old."""
    for url, seen in tokens._seen.items():
        tokens._seen[url] = tokens._Seen(seen.epoch, seen.tokens, seen.at - seconds)


def used(settings: Settings, secret: str) -> None:
    """Somebody comes in with it."""
    found = tokens.find(settings, secret)
    assert found is not None
    tokens.note_use(settings, found)


def test_a_token_is_found_by_its_secret_and_by_nothing_else(settings: Settings) -> None:
    secret = tokens.create(settings, "ci", ["backup", "read"], "admin")
    found = tokens.find(settings, secret)
    assert found is not None
    assert (found.name, found.scopes, found.created_by) == ("ci", ["read", "backup"], "admin")
    assert abs((datetime.now(UTC) - found.created_at).total_seconds()) < 5
    for wrong in ("", "rb_", secret[:-1], secret + "x", secret.upper(), "ci", "x" * 10_000, "\udc80"):
        assert tokens.find(settings, wrong) is None, wrong


def test_two_secrets_are_never_alike_and_long_enough_that_nobody_guesses_them(settings: Settings) -> None:
    made = {tokens.create(settings, f"t{number}", ["read"], "admin") for number in range(5)}
    assert len(made) == 5
    assert all(len(secret) > 40 for secret in made)


def test_the_broker_holds_no_secret(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    assert tokens.find(settings, secret)
    assert "ci" in content(broker)
    assert secret not in content(broker)
    assert secret.removeprefix("rb_") not in content(broker)


def test_what_is_told_of_a_token_holds_neither_its_secret_nor_its_hash(settings: Settings) -> None:
    tokens.create(settings, "ci", ["read"], "admin")
    (token,) = tokens.tokens(settings)
    assert set(token.model_dump()) == {
        *("name", "scopes", "created_at", "created_by", "last_used_at", "expires_at", "networks")
    }
    assert "sha256" not in repr(token)


def test_a_revoked_token_opens_nothing_and_its_name_is_free_again(settings: Settings, broker: Server) -> None:
    first = tokens.create(settings, "ci", ["read"], "admin")
    used(settings, first)
    tokens.revoke(settings, "ci")
    assert tokens.find(settings, first) is None
    assert tokens.tokens(settings) == []
    # A use that was under way is noted after all.
    broker.client().hset(tokens._USED, "ci", int(time.time()))
    second = tokens.create(settings, "ci", ["restore"], "admin")
    (token,) = tokens.tokens(settings)
    assert (token.scopes, token.last_used_at) == (["restore"], None)
    assert tokens.find(settings, first) is None
    assert tokens.find(settings, second)


def test_a_name_is_given_once(settings: Settings) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    with pytest.raises(RefusedError, match="There is a token ci already"):
        tokens.create(settings, "ci", ["restore"], "admin")
    found = tokens.find(settings, secret)
    assert found is not None
    assert found.scopes == ["read"]


def test_who_is_not_there_cannot_be_revoked(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="There is no token ci:"):
        tokens.revoke(settings, "ci")
    with pytest.raises(NotFoundError, match="There is no token that name:"):
        tokens.revoke(settings, "<img src=x onerror=alert(1)>")


@pytest.mark.parametrize("name", ["", "A", "-ci", "a b", "x" * 65, "<img src=x>", "ci\n", "ü", "../x"])
def test_a_name_that_could_be_anything_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(UsageError, match="The name of a token must be"):
        tokens.create(settings, name, ["read"], "admin")
    assert tokens.tokens(settings) == []


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "admin"], [""]])
def test_scopes_that_there_are_not_are_refused(settings: Settings, scopes: list[str]) -> None:
    with pytest.raises(UsageError, match="one or more of the scopes read, backup, restore, delete"):
        tokens.create(settings, "ci", scopes, "admin")
    assert tokens.tokens(settings) == []


def test_its_last_use_is_noted_and_not_at_every_request(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    assert tokens.tokens(settings)[0].last_used_at is None
    used(settings, secret)
    first = tokens.tokens(settings)[0].last_used_at
    assert first is not None
    assert abs((datetime.now(UTC) - first).total_seconds()) < 5
    broker.client().hset(tokens._USED, "ci", int(time.time()) - 30)
    used(settings, secret)
    broker.client().hset(tokens._USED, "ci", old := int(time.time()) - 3600)
    used(settings, secret)
    last = tokens.tokens(settings)[0].last_used_at
    assert last is not None
    assert last.timestamp() > old + 3000


def test_a_use_within_the_minute_writes_nothing(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    used(settings, secret)
    before = broker.client().info("commandstats")["cmdstat_hset"]["calls"]
    for _ in range(10):
        used(settings, secret)
    assert broker.client().info("commandstats")["cmdstat_hset"]["calls"] == before


def test_a_token_that_nobody_can_read_opens_nothing_and_hides_no_other(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    broker.client().hset(tokens._TOKENS, mapping={"a": b"\xff\xfe", "b": b"{}", "c": b"[1]"})
    assert [one.name for one in tokens.tokens(settings)] == ["ci"]
    assert tokens.find(settings, secret)


def test_an_epoch_begins_with_the_first_session_and_stays_until_a_logout(settings: Settings) -> None:
    assert tokens.epoch(settings) is None
    first = tokens.begin_session(settings)
    assert tokens.begin_session(settings) == first == tokens.epoch(settings)
    tokens.end_sessions(settings)
    assert tokens.epoch(settings) not in (None, first)


def test_an_epoch_does_not_come_back_when_the_broker_loses_its_data(settings: Settings, broker: Server) -> None:
    first = tokens.begin_session(settings)
    tokens.end_sessions(settings)
    second = tokens.begin_session(settings)
    broker.client().flushall()
    assert tokens.epoch(settings) is None
    assert tokens.begin_session(settings) not in (first, second)


def test_while_the_broker_is_away_what_was_seen_last_counts(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    current = tokens.begin_session(settings)
    broker.kill()
    assert tokens.epoch(settings) == current
    assert tokens.find(settings, secret)
    assert tokens.find(settings, "rb_wrong") is None
    age_memory(tokens.REMEMBERED_SECONDS - 60)
    assert tokens.epoch(settings) == current


def test_but_not_for_ever(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    tokens.begin_session(settings)
    broker.kill()
    age_memory(tokens.REMEMBERED_SECONDS + 1)
    with pytest.raises(BrokerUnavailableError):
        tokens.epoch(settings)
    with pytest.raises(BrokerUnavailableError):
        tokens.find(settings, secret)


def test_who_has_seen_nothing_lets_nobody_in(settings: Settings, broker: Server) -> None:
    secret = tokens.create(settings, "ci", ["read"], "admin")
    broker.kill()
    with pytest.raises(BrokerUnavailableError):
        tokens.find(settings, secret)
    with pytest.raises(BrokerUnavailableError):
        tokens.begin_session(settings)


@pytest.mark.parametrize("then", ["a logout", "a revocation"])
def test_what_ended_before_the_broker_went_away_stays_ended(settings: Settings, broker: Server, then: str) -> None:
    tokens.create(settings, "ci", ["read"], "admin")
    tokens.begin_session(settings)
    if then == "a logout":
        tokens.end_sessions(settings)
    else:
        tokens.revoke(settings, "ci")
    broker.kill()
    with pytest.raises(BrokerUnavailableError):
        tokens.epoch(settings)


def test_nothing_can_be_changed_while_the_broker_is_away(settings: Settings, broker: Server) -> None:
    broker.kill()
    with pytest.raises(BrokerUnavailableError) as told:
        tokens.create(settings, "ci", ["read"], "admin")
    assert CANARY not in str(told.value)
    with pytest.raises(BrokerUnavailableError):
        tokens.revoke(settings, "ci")
    with pytest.raises(BrokerUnavailableError):
        tokens.end_sessions(settings)


def test_the_audit_log_tells_who_did_what_and_when_newest_first(settings: Settings) -> None:
    audit.record(settings, "admin", "token created", "ok", name="ci", scopes=["read"])
    audit.record(settings, "token ci", "restore", "FAILURE", name="a")
    last, first = audit.recent(settings)
    assert (first.who, first.what, first.outcome) == ("admin", "token created", "ok")
    assert first.details == {"name": "ci", "scopes": ["read"]}
    assert (last.who, last.what, last.outcome) == ("token ci", "restore", "FAILURE")
    assert abs((datetime.now(UTC) - first.at).total_seconds()) < 5
    assert [one.what for one in audit.recent(settings, 1)] == ["restore"]


def test_strangers_cannot_push_out_what_was_done(settings: Settings, broker: Server) -> None:
    audit.record(settings, "admin", "delete", "SUCCESS", name="a")
    for _ in range(audit.KEPT_OF_STRANGERS // 100):
        with broker.client().pipeline() as pipe:
            for _ in range(200):
                pipe.xadd(audit._TRIES, {"deed": "{}"})
            pipe.execute()
    audit.record(settings, audit.STRANGER, "login", "failed", address="10.0.0.1")
    assert broker.client().xlen(audit._TRIES) < audit.KEPT_OF_STRANGERS * 1.2
    assert [one.what for one in audit.recent(settings)] == ["login", "delete"]


def test_a_deed_is_in_the_log_even_when_the_broker_is_away(settings: Settings, broker: Server) -> None:
    broker.kill()
    with structlog.testing.capture_logs() as lines:
        audit.record(settings, "admin", "logout", "failed", event="odd", who_else=None)
    (line,) = lines
    assert (line["event"], line["who"], line["what"], line["outcome"]) == ("audit", "admin", "logout", "failed")
    assert line["details"] == {"event": "odd", "who_else": None}
    with pytest.raises(BrokerUnavailableError):
        audit.recent(settings)


def test_a_deed_may_be_about_anything(settings: Settings) -> None:
    audit.record(settings, "admin", "restore", "ok", name="\udc80<b>", when=datetime.now(UTC), of=Path("/a"), count=1)
    (deed,) = audit.recent(settings)
    assert deed.details["name"] == "?<b>"
    assert deed.details["of"] == "/a"
    assert deed.details["count"] == 1


def test_a_token_from_the_shell_opens_and_closes(shell: Shell, settings: Settings) -> None:
    made = shell("token", "create", "ci", "--scope", "read", "--scope", "backup")
    assert made.code == 0
    secret = made.out.strip()
    assert made.err == "Note: This is the secret of the token ci; it is shown this once.\n"
    found = tokens.find(settings, secret)
    assert found is not None
    assert (found.name, found.scopes) == ("ci", ["read", "backup"])
    assert found.created_by.startswith("shell ")
    listed = shell("token", "list")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out.splitlines()[1].startswith("ci    read,backup  shell ")
    assert secret not in listed.out
    assert shell("token", "revoke", "ci").out == "The token ci is revoked\n"
    assert tokens.find(settings, secret) is None
    assert "python -m worker token create ci --scope read" in shell("token", "list").out


def test_the_shell_prints_tokens_as_json(shell: Shell, settings: Settings) -> None:
    made = shell("token", "create", "ci", "--scope", "restore", "--json")
    assert (made.code, made.err) == (0, "")
    assert {"name": "ci", "scopes": ["restore"]}.items() <= made.data.items()
    used(settings, made.data["secret"])
    (token,) = shell("token", "list", "--json").data["tokens"]
    assert (token["name"], token["scopes"]) == ("ci", ["restore"])
    assert token["last_used_at"] is not None
    assert shell("token", "revoke", "ci", "--json").data == {"revoked": "ci"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "ci"), 2, "--scope"),
        (("create", "ci", "--scope", "admin"), 2, "'admin' is not one of"),
        (("create", "--scope", "read"), 2, "NAME"),
        (("create", "A B", "--scope", "read"), 2, "The name of a token must be"),
        (("create", "there", "--scope", "read"), 1, "There is a token there already"),
        (("revoke", "ci"), 1, "There is no token ci"),
    ],
)
def test_the_shell_says_what_is_wrong(
    shell: Shell, settings: Settings, arguments: tuple[str, ...], code: int, said: str
) -> None:
    tokens.create(settings, "there", ["read"], "admin")
    ended = shell("token", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_without_a_broker_the_shell_says_so(shell: Shell, broker: Server) -> None:
    broker.kill()
    for arguments in (("create", "ci", "--scope", "read"), ("list",), ("revoke", "ci")):
        ended = shell("token", *arguments)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("Error: The broker does not answer")
        assert CANARY not in ended.err


def test_what_the_shell_does_with_tokens_is_audited(shell: Shell, settings: Settings) -> None:
    secret = shell("token", "create", "ci", "--scope", "read").out.strip()
    shell("token", "revoke", "ci")
    revoked, created = audit.recent(settings)
    assert (created.what, created.outcome, created.details) == (
        "token created",
        "ok",
        {"name": "ci", "scopes": ["read"], "days": None, "addresses": []},
    )
    assert (revoked.what, revoked.outcome, revoked.details) == ("token revoked", "ok", {"name": "ci"})
    assert created.who.startswith("shell ")
    assert secret not in json.dumps([one.model_dump(mode="json") for one in (revoked, created)])

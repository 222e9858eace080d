"""What an error of a server means, in a sentence that says what to do: each kind, and what is looked for in its words."""

import pytest
import redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from worker.broker.timeouts import TooSlowError
from worker.errors import TemporaryError
from worker.server.endpoint.roles import SOURCE
from worker.server.endpoint.translation import ElsewhereError, Peer, SentinelError


def peer(*, encrypted: bool = False, fault: str | None = None) -> Peer:
    return Peer(SOURCE, "The source at a:1", "a:1", "me", encrypted, lambda _: fault)


def said(error: RedisError | OSError, *, encrypted: bool = False, fault: str | None = None) -> str:
    """What is said behind the server's name, and whether it may be tried again."""
    found = peer(encrypted=encrypted, fault=fault).error_of(error, "reading keys")
    name, words = str(found)[:17], str(found)[18:]
    assert name == "The source at a:1"
    assert isinstance(found, SOURCE.unavailable if isinstance(found, TemporaryError) else SOURCE.error)
    return f"{'passing' if isinstance(found, TemporaryError) else 'final'}: {words}"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AuthenticationError("no"), "final: refuses the user name or password: check REDIS_URL."),
        (ResponseError("WRONGPASS x"), "final: refuses the user name or password: check REDIS_URL."),
        (ResponseError("NOAUTH x"), "final: refuses the user name or password: check REDIS_URL."),
        (
            redis.ConnectionError("invalid username-password pair"),
            "final: refuses the user name or password: check REDIS_URL.",
        ),
        (BusyLoadingError("x"), "passing: is still loading its data: try again when it is done."),
        (
            MasterDownError("x"),
            "passing: is a replica without a link to its primary: mend that link, or name the primary.",
        ),
        (
            ResponseError("-NOMASTERLINK x"),
            "passing: is a replica without a link to its primary: mend that link, or name the primary.",
        ),
        (
            redis.TimeoutError("x"),
            "passing: did not answer in time while reading keys: is it overloaded, or the network slow?",
        ),
        (
            TooSlowError("sent 1 byte a second"),
            "passing: sent 1 byte a second while reading keys: is the network slow, or is it overloaded?",
        ),
        (ResponseError("ERR no. such"), "final: answered 'ERR no. such' while reading keys."),
        (
            ResponseError("OOM command not allowed"),
            "final: answered 'OOM command not allowed' while reading keys: raise maxmemory, or delete something.",
        ),
        (
            ResponseError("READONLY You can't write"),
            'final: answered "READONLY You can\'t write" while reading keys: it is a replica, so name its primary.',
        ),
        (redis.InvalidResponse("x"), "final: failed while reading keys: InvalidResponse."),
        (
            OSError(104, "Connection reset by peer"),
            "passing: broke the connection while reading keys: Connection reset by peer.",
        ),
        (OSError("odd"), "passing: broke the connection while reading keys: odd."),
    ],
    ids=lambda part: type(part).__name__ if isinstance(part, Exception) else "",
)
def test_each_error_says_what_is_wrong_and_what_helps(error: RedisError | OSError, sentence: str) -> None:
    assert said(error) == sentence


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("Error 111 connecting to a:1. Connection refused.", "Connection refused"),
        ("Error 111 connecting to a:1. Connection refused. Twice. ", "Connection refused. Twice"),
        ("Error while connecting to connecting to:1. No route", "No route"),
        ("Connection closed by server.", "Connection closed by server"),
        ("", "no connection"),
        (". ", "no connection"),
    ],
)
def test_who_cannot_be_reached_is_told_with_the_reason_alone(words: str, cause: str) -> None:
    assert said(redis.ConnectionError(words)) == (
        f"passing: cannot be reached ({cause}): is it running, and is REDIS_URL right?"
    )


def test_what_is_wrong_about_tls_is_said_in_its_place() -> None:
    for error in (redis.ConnectionError("x"), OSError("x")):
        assert said(error, fault="speaks no TLS.") == "passing: speaks no TLS."


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (
            "No permissions to run the 'DUMP' command",
            "Give that with `ACL SETUSER me +dump`; `python -m worker ping` shows what else that user needs.",
        ),
        (
            "this user has no permissions to run the 'config|get' command",
            "Give that with `ACL SETUSER me +config|get`; `python -m worker ping` shows what else that user needs.",
        ),
        (
            "No permissions to access a key",
            "Give that with `ACL SETUSER me ~*`; `python -m worker ping` shows what else that user needs.",
        ),
        (
            "this user has no permissions to access one of the keys used as arguments",
            "Give that with `ACL SETUSER me ~*`; `python -m worker ping` shows what else that user needs.",
        ),
        ("No permissions", "`python -m worker ping` shows what else that user needs."),
    ],
)
def test_a_right_that_lacks_is_named_with_the_command_that_gives_it(words: str, way_out: str) -> None:
    assert said(NoPermissionError(words)) == f"final: does not allow reading keys: {words}. {way_out}"


@pytest.mark.parametrize(("encrypted", "scheme"), [(True, "rediss"), (False, "redis")])
def test_a_sentinel_says_by_which_address_it_is_asked(encrypted: bool, scheme: str) -> None:
    assert said(SentinelError("x"), encrypted=encrypted) == (
        f"final: is a Sentinel, which holds no data: write {scheme}+sentinel://a:1/NAME/0 in REDIS_URL, with the name that "
        "it knows your Redis by."
    )


def test_a_node_of_a_cluster_says_what_it_has_not() -> None:
    assert said(ElsewhereError("MOVED 1 b:1")) == (
        "final: is a node of a cluster, and reading keys needs slots that it has not (MOVED 1 b:1): name the node that has "
        "them, or a server that holds all the keys itself."
    )

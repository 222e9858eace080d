"""How an address is spelt, and that older versions' is known for the same."""

import pytest

from worker.config.address import joined, spelt


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("db", "db:6379"),
        ("127.0.0.1", "127.0.0.1:6379"),
        ("::1", "[::1]:6379"),
        ("[fe80::1%eth0]", "[fe80::1%eth0]:6379"),
    ],
)
def test_a_host_of_ipv6_is_told_from_its_port(host: str, address: str) -> None:
    assert joined(host, 6379) == address


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("::1:6379", "[::1]:6379"),
        ("2001:db8::7:6379", "[2001:db8::7]:6379"),
        ("fe80::1%eth0:6379", "[fe80::1%eth0]:6379"),
        ("::ffff:10.0.0.1:6379 0,3", "[::ffff:10.0.0.1]:6379 0,3"),
    ],
)
def test_what_an_older_version_wrote_is_spelt_as_now(told: str, address: str) -> None:
    assert spelt(told) == spelt(address) == address


@pytest.mark.parametrize("address", ["db:6379", "abc:6379 all", "/run/redis.sock", "one@[::1]:26379", "a:b@host:1", ""])
def test_any_other_is_left_as_it_is(address: str) -> None:
    assert spelt(address) == address

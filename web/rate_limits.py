"""How often passwords and tokens may be tried: counted in this process, per browser or network and, for the password, in all.

Who is kept out must be the one who tries, so what all tries together exceed makes them slow, and refuses nobody who has
tried little. A browser that has logged in before is counted by itself.
"""

import math
import time
from threading import BoundedSemaphore

from flask import current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_openapi3 import OpenAPI
from limits import RateLimitItem, parse
from werkzeug.exceptions import TooManyRequests

from web import known_browsers
from web.networks import network_of
from worker.broker import audit
from worker.config.settings import load_web

PASSWORDS, PASSWORDS_IN_ALL = parse("10 per minute"), parse("60 per minute")
FRESH = parse("3 per hour")
"""So many tries of a network are slow at the worst: the room of those that tried more is not theirs."""
SLOW_SECONDS = 1
MOST_SLOW = 4
"""Tries that wait at a time, of fresh networks and of others each: a thread serves none but them meanwhile."""
WRONG_TOKENS = parse("30 per minute")
_LOGGED = parse("1 per minute")

# Its decorators pass over requests that belong to no route, so it is asked by hand.
limiter = Limiter(get_remote_address, storage_uri="memory://", strategy="moving-window")
_room = {fresh: BoundedSemaphore(MOST_SLOW) for fresh in (True, False)}


def install(app: OpenAPI) -> None:
    """Begin to count. What makes a try slow is in the configuration as PAUSE, which takes seconds."""
    limiter.init_app(app)
    app.config.setdefault("PAUSE", time.sleep)


def password() -> None:
    """Count a try at the password, a good one too; wait first where strangers try too much. Raises TooManyRequests."""
    browser = known_browsers.this_one()
    _count(PASSWORDS, "login", browser or _network())
    if browser is not None:
        return
    fresh = limiter.limiter.hit(FRESH, "fresh", _network())
    if not limiter.limiter.hit(PASSWORDS_IN_ALL, "login", "everybody"):
        _tell("login", "slowed", "everybody")
        _wait(fresh)


def wrong_token() -> None:
    """Count a token that does not exist. Raises TooManyRequests.

    A good one is never kept out: nobody guesses 256 bits, and others of the same address need not suffer for a script
    that goes on with a token that was revoked.
    """
    _count(WRONG_TOKENS, "token", _network())


def _wait(fresh: bool) -> None:
    room = _room[fresh]
    if not room.acquire(blocking=False):
        raise _too_many(PASSWORDS_IN_ALL, "login", "everybody")
    try:
        current_app.config["PAUSE"](SLOW_SECONDS)
    finally:
        room.release()


def _count(limit: RateLimitItem, what: str, whose: str) -> None:
    if not limiter.limiter.hit(limit, what, whose):
        _tell(what, "limited", whose)
        raise _too_many(limit, what, whose)


def _tell(what: str, outcome: str, whose: str) -> None:
    """Once a minute, because whoever tries without end would fill the log as well."""
    if limiter.limiter.hit(_LOGGED, "told", what, whose):
        audit.record(load_web(), audit.STRANGER, what, outcome, address=get_remote_address())


def _too_many(limit: RateLimitItem, what: str, whose: str) -> TooManyRequests:
    seconds = math.ceil(limiter.limiter.get_window_stats(limit, what, whose).reset_time - time.time())
    return TooManyRequests("Too many tries: wait a minute, then try again.", retry_after=max(1, seconds))


def _network() -> str:
    return network_of(get_remote_address())

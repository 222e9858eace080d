"""How often passwords and tokens may be tried: counted in this process, per address and, for the password, in all."""

import math
import time

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse
from werkzeug.exceptions import TooManyRequests

from worker.broker import audit
from worker.config.settings import load_web

PASSWORDS, PASSWORDS_IN_ALL = parse("10 per minute"), parse("60 per minute")
WRONG_TOKENS = parse("30 per minute")
_TOLD = parse("1 per minute")

# Its decorators pass over requests that belong to no route, so it is asked by hand.
limiter = Limiter(get_remote_address, storage_uri="memory://", strategy="moving-window")


def password() -> None:
    """Count a try at the password, a good one too. Raises TooManyRequests."""
    _count(PASSWORDS, "login", get_remote_address())
    _count(PASSWORDS_IN_ALL, "login", "everybody")


def wrong_token() -> None:
    """Count a token that does not exist. Raises TooManyRequests.

    A good one is never kept out: nobody guesses 256 bits, and others of the same address need not suffer for a script
    that goes on with a token that was revoked.
    """
    _count(WRONG_TOKENS, "token", get_remote_address())


def _count(limit: RateLimitItem, what: str, whose: str) -> None:
    if limiter.limiter.hit(limit, what, whose):
        return
    # Once a minute, because whoever tries without end would fill the log as well.
    if limiter.limiter.hit(_TOLD, "told", what, whose):
        audit.record(load_web(), audit.STRANGER, what, "limited", address=get_remote_address())
    seconds = math.ceil(limiter.limiter.get_window_stats(limit, what, whose).reset_time - time.time())
    raise TooManyRequests("Too many tries: wait a minute, then try again.", retry_after=max(1, seconds))

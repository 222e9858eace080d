"""One Redis by its URL: in comes the URL and what that Redis is to us, out comes an Endpoint that connects.

`sentinel` finds the server that Sentinels know of, `roles` says what a source, a target or the broker is to us, and
`translation` makes sentences of the errors of redis-py.
"""

from worker.server.endpoint.endpoint import Endpoint
from worker.server.endpoint.roles import BROKER, GLANCE, SCRATCH, SOURCE, TARGET, Role, named_target
from worker.server.endpoint.translation import ElsewhereError, SentinelError, acl_line

__all__ = [
    "BROKER",
    "GLANCE",
    "SCRATCH",
    "SOURCE",
    "TARGET",
    "ElsewhereError",
    "Endpoint",
    "Role",
    "SentinelError",
    "acl_line",
    "named_target",
]

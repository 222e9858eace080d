"""Where a server is, as it is shown and as it is known by: `host:port`, with brackets around an IPv6 host."""

import re
from typing import Annotated

from pydantic import AfterValidator

_BARE = re.compile(r"([0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:%[^:\s]+)?):(\d+)(?=$| )")


def joined(host: str, port: int | str) -> str:
    """The address of that host and port, such as `db:6379` or `[::1]:6379`."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def spelt(address: str) -> str:
    """An address as we spell it, of an older version's `::1:6379` too; what goes on behind a blank stays."""
    return _BARE.sub(r"[\1]:\2", address, count=1) if _BARE.match(address) else address


Address = Annotated[str, AfterValidator(spelt)]
"""In a model: as we spell it, whoever wrote it."""

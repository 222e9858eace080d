"""Ways to read a Redis: an endpoint and what is wanted go in, `choose` gives a Source, with the reason why it is this one.

A Source (`source`) is `replication`, a snapshot; `scan`, payloads key by key; or `typed`, values by the commands of their
types. `probe` says what a server would allow, and `completeness` whether keys went missing meanwhile.
"""

from worker.engines.choice import Choice, Wanted, check_databases, choose, otherwise

__all__ = ["Choice", "Wanted", "check_databases", "choose", "otherwise"]

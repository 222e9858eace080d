"""How to bring a backup back without this product: the shell lines for exactly this file."""

from dataclasses import dataclass

from worker.formats.types import TYPES, Holds
from worker.repository.manifest import AGE_SUFFIX, Manifest

_UNPACK = {"zstd": "zstd -d {name} -o {plain}", "gzip": "gunzip -c {name} > {plain}", "none": "cp {name} {plain}"}
# What comes behind the command, by what a type holds.
_JQ_ROWS: dict[Holds, str] = {
    "text": ".key, .value]",
    "elements": ".key] + .value",
    "members": ".key] + .value",
    "scores": ".key] + ([.value[] | [.[1], .[0]]] | add)",
    "fields": ".key] + ([.value[] | .[0:2]] | add)",
}
_JQ_TYPES = "\n     elif ".join(
    f'.type == "{kind.name}" then ["{kind.builds[0].right.upper()}", {_JQ_ROWS[kind.holds]}'
    for kind in TYPES
    if kind.holds in _JQ_ROWS
)
_JQ_COMMANDS = f"""jq -r '.keys[]
  | . as $e
  | (if {_JQ_TYPES}
     else empty end),
    (if .expires_at then ["PEXPIREAT", .key, .expires_at] else empty end)
  | select(all(.[]; type != "object"))
  | ["SELECT", $e.db], .
  | map(tostring | tojson) | join(" ")' copy.json > commands.txt"""


@dataclass(frozen=True)
class Step:
    """One step: why, and the line to type."""

    why: str
    line: str


def steps(manifest: Manifest) -> list[Step]:
    """From the downloaded file to a running Redis."""
    plain = "dump.rdb" if manifest.data_format == "rdb" else "copy.json"
    packed = manifest.name.removesuffix(AGE_SUFFIX)
    unpack = _UNPACK[manifest.compression].format(name=packed, plain=plain)
    return [
        Step("Check that the file is whole", f'echo "{manifest.sha256}  {manifest.name}" | sha256sum -c'),
        *(
            [Step("Decrypt it with the secret key", f"age -d -i key.txt -o {packed} {manifest.name}")]
            * manifest.encrypted
        ),
        Step("Unpack it" if manifest.compression != "none" else "Take a copy", unpack),
        *(_rdb(manifest) if manifest.data_format == "rdb" else _json()),
    ]


def _rdb(manifest: Manifest) -> list[Step]:
    server = "valkey" if manifest.source.server == "valkey" else "redis"
    version = f" {manifest.source.version} or newer" if manifest.source.version else " of the same or a newer version"
    return [
        Step("Let the server's own tool look through it", f"{server}-check-rdb dump.rdb"),
        Step(
            f"Start a {server}-server{version} on it",
            f"{server}-server --dir . --dbfilename dump.rdb --appendonly no --port 6390",
        ),
        Step("Ask what it holds", f"{server}-cli -p 6390 INFO keyspace"),
    ]


def _json() -> list[Step]:
    return [
        Step("See every key and its type", "jq -r '.keys[] | [.db, .type, (.key | tojson)] | @tsv' copy.json"),
        Step(
            "Write commands for all text values (streams, and bytes that are no text, are left out)",
            _JQ_COMMANDS,
        ),
        Step("Send them to a server of any make and version", "redis-cli -p 6390 < commands.txt"),
    ]

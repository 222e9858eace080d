"""What somebody would type, below the help of each verb: the words behind its name, and what they do."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "list": (
        ("", "the backups, newest first"),
        ("--json", "the same for a script"),
        ("--trash", "what was deleted and can be put back"),
    ),
    "backup": (
        ("", "as the server allows it best, compressed"),
        ("--format json --compression none", "readable by jq as it is"),
        ("--engine scan --db 0", "key by key, where a snapshot is not allowed; one database"),
    ),
    "preview": (
        ("latest", "what a restore would do; it changes nothing"),
        ("latest --mode overwrite --match 'user:*'", "the same for some keys, replaced where they differ"),
    ),
    "differences": (
        ("latest --mode overwrite --kind differs", "the keys of another value, with what is different, 20 at a time"),
        ("latest --mode overwrite --of-type hash --under user:", "hashes whose names begin so"),
    ),
    "restore": (
        ("latest", "only what is not there any more"),
        ("latest --mode overwrite --key settings:bot", "one key, as it was"),
        ("latest --mode mirror", "exactly what the backup holds, and nothing else"),
        ("latest --to staging --map-db 0:5", "into another server, and another database"),
        ("--before FLUSHALL --mode mirror", "the moment before somebody emptied it"),
        ("--at '2026-11-28 14:03:05' --to staging", "any moment, into another server"),
    ),
    "undo": (("RUN", "what was there before that restore; it has said its run"),),
    "search": (
        ("settings:bot", "in which backups the key is, and where it changed"),
        ("--match 'user:*' --limit 20", "all keys that fit"),
        ("settings:bot --show latest", "its value there"),
        ("settings:bot --show latest --against live", "what has changed since"),
        ("settings:bot --at -10m", "its value ten minutes ago beside the live one"),
    ),
    "timeline": (
        ("settings:bot", "since when it is not what it was"),
        ("--match 'user:*' --backups 10", "how many of these changed from backup to backup"),
    ),
    "happened": (
        ("--since -1h", "what was written and deleted in the last hour, and what stands out"),
        ("--since -10m --prefixes", "by how the keys begin as well"),
    ),
    "writes": (
        ("settings:bot", "each write to it, the newest first, and the place right before"),
        ("settings:bot --since -1h --show", "with what was written"),
    ),
    "browse": (
        ("latest", "the keys by prefix, and the largest"),
        ("latest user:42:", "what lies below that prefix"),
        ("latest settings:bot --show key | jq .", "one key with its value, as a document"),
    ),
    "fits": (
        ("latest --match 'user:*' --exclude 'user:tmp:*'", "how many keys a restore with the same options means"),
    ),
    "verify": (
        ("latest", "read it whole, and compare its checksum"),
        ("--before FLUSHALL", "the chain up to there: a server plays it, and its keys are counted"),
    ),
    "drill": (
        ("latest", "bring it back into a server of its own, and compare"),
        ("latest --full", "the values of all keys"),
    ),
    "copy": (("latest", "to each of BACKUP_COPIES that lacks it"),),
    "prune": (
        ("--dry-run", "what would go, and why the others stay"),
        ("--keep 14 --keep-monthly 6 --dry-run", "what another policy would do"),
    ),
    "pin": (("latest --why 'before the migration'", "no prune takes it"),),
    "accept": (("latest", "it is as it should be: prunes go on"),),
    "unpin": (("latest", "prunes decide over it again"),),
    "delete": (
        ("NAME", "into the trash"),
        ("NAME --now --yes", "for good, without a question"),
    ),
    "put-back": (("NAME", "out of the trash"),),
    "stats": (("--json", "the numbers of the dashboard"),),
    "adopt": (
        ("dump.rdb", "take a file of a Redis in as a backup"),
        ("NAME --trust", "a backup that somebody else has signed"),
    ),
    "reencrypt": (("latest", "to the recipients that the settings name now"),),
    "ping": (("", "whether the source can be read, and what it allows"),),
    "storage": (("", "whether each storage can be written, read and deleted from"),),
    "silence": (("backup.failed --hours 8", "say nothing of that alert until then"),),
    "alerts": (("--history", "what was wrong, and for how long"),),
    "schedule": (
        ("", "each number and time, and whether the environment or somebody says so"),
        ("--set keep=14 --set daily_at=04:30", "from now on; nothing needs a restart"),
        ("--reset keep", "as the default is"),
    ),
    "cancel": (("RUN", "it ends, and leaves all whole"),),
    "export": (
        ("latest -o copy.json", "as a document that needs nothing of ours"),
        ("latest -o - | jq .", "on standard output"),
        ("--at -10m --aof moment", "the source ten minutes ago, as a folder that any server loads"),
    ),
    "keygen": (("--out age-key.txt --passphrase", "a key to encrypt to, and the sheet to print"),),
    "notify": (("--test", "a message to everybody who is to hear of it"),),
    "visit": (("", "what the source has run since the last visit; beat does it every BACKUP_STREAM_SECONDS"),),
    "token": (("create script --scope read --scope backup", "a token that may do that, and no more"),),
    "completion": (("bash >> ~/.bashrc", "verbs and options by the Tab key"),),
}
"""By verb. A word in capitals is to be replaced."""


def shown(program: str, verb: str) -> str | None:
    """That as click prints it below the help, without folding its lines; None where there is none."""
    examples = EXAMPLES.get(verb)
    if not examples:
        return None
    lines = (line for words, what in examples for line in (f"  {f'{program} {verb} {words}'.strip()}", f"      {what}"))
    return "\n".join(["\b", "Examples:", *lines])

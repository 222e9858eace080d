"""The same verbs from a shell, without a queue: what works when the broker is what died."""

import signal
import sys

import click

from worker import __version__
from worker.cli.console import say
from worker.cli.verbs import Verbs
from worker.errors import BackupSystemError, CancelledError, StoppedError, UsageError

FAILED, MISUSED, CANCELLED = 1, 2, 3


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="redis-backup")
def cli() -> None:
    """Back up a Redis, and restore it.

    The source is the setting REDIS_URL, the backups lie in BACKUP_STORAGE. Exit codes: 0 done, 1 failed, 2 misused,
    3 cancelled.
    """


def main() -> int:
    """Run one command: its exit code. Errors become one sentence on standard error, in this one place."""
    # Like Ctrl-C: what was begun is taken away, and what is held is given back.
    for number in filter(None, (signal.SIGTERM, getattr(signal, "SIGHUP", None))):
        signal.signal(number, signal.default_int_handler)
    try:
        cli(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return MISUSED
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt) as error:
        # click makes an Abort of a KeyboardInterrupt.
        say(" ".join(["Stopped.", *getattr(error.__cause__ or error, "__notes__", [])]), err=True)
        return FAILED
    except StoppedError as error:
        say(str(error), err=True)
        return CANCELLED if isinstance(error, CancelledError) else FAILED
    except BackupSystemError as error:
        say(f"Error: {error}", err=True)
        return MISUSED if isinstance(error, UsageError) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())

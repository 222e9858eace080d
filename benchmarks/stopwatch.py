"""Times one command. A process of its own, and a lean one: a child inherits the peak memory of whoever starts it.

`stopwatch.py RESULT COMMAND ...` writes `{code, seconds, user, system, peak}` into the file RESULT, as JSON.
"""

import json
import os
import signal
import sys
import time

SAMPLE_SECONDS = 0.1
ENDED = frozenset({signal.SIGCHLD})


def family(pid: int) -> list[int]:
    """A process and all that come from it."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in children.read().split():
                    found += family(int(child))
    except OSError:
        pass  # ended meanwhile
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a process has now; a page that it shares with others counts as its part of it."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except OSError:
        return 0


def main(result: str, *command: str) -> None:
    """Run the command to its end."""
    # What `wait4` knows is the peak of the largest process. Where there are several, their sum is looked at as well.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDED)
    began, together = time.perf_counter(), 0
    pid = os.posix_spawnp(command[0], list(command), os.environ, setsigmask=[])
    while signal.sigtimedwait(ENDED, SAMPLE_SECONDS) is None:
        pids = family(pid)
        if len(pids) > 1:
            together = max(together, sum(map(resident, pids)))
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    told = {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "user": used.ru_utime,
        "system": used.ru_stime,
        "peak": max(used.ru_maxrss * 1024, together),
    }
    with open(result, "w") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The order of a soak: all begins, faults come and go, all settles, and what is left is held against the promises."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.soak.faults import FAULTS, Fault
from tests.soak.hearing import heard_all
from tests.soak.promises import PROMISES, Evidence, settle
from tests.soak.stage import CHANGING_DB, ELSEWHERE, Stage, stage, wait_for
from tests.soak.traffic import Asker, Repeated, Watcher, Writer
from tests.support.processes import PYTHON, Ended, run
from tests.support.states import differences, state

PEACE_SECONDS = (1.0, 5.0)
"""Between two faults."""
TWO_AT_ONCE = 0.2
"""How likely a second fault comes with one."""
LINES_SHOWN = 10

Say = Callable[[str], object]


@dataclass
class Outcome:
    """What a soak found: by the number of a promise what broke it."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    listed: int = 0
    written: int = 0
    doubted: int = 0
    heard: int = 0

    @property
    def held(self) -> bool:
        """Whether every promise did."""
        return not any(self.broken.values())

    def report(self) -> str:
        """In words: what came about, and which promise held."""
        lines = [
            "",
            f"{self.written:,} writes, {sum(self.faults.values())} faults of {len(self.faults)} kinds, "
            f"{self.listed} backups listed, {self.doubted} times a suspicious one; {self.heard} messages heard.",
            "Runs: " + ", ".join(f"{count} {what} {state}" for (what, state), count in sorted(self.runs.items())),
            "",
        ]
        for promise in PROMISES:
            found = self.broken[promise.number]
            lines.append(f"{promise.number:>3} {'BROKE' if found else 'held '} {promise.words}")
            lines += [f"        {line}" for line in found[:LINES_SHOWN]]
            lines += [f"        and {len(found) - LINES_SHOWN} more"] * (len(found) > LINES_SHOWN)
        return "\n".join(lines)


class Gauge(Repeated):
    """Looks how much memory each process of ours has that no other shares with it."""

    every_seconds = 0.5

    def __init__(self, there: Stage, dice: Random) -> None:
        self.largest: dict[str, int] = {}
        super().__init__(there, dice)

    def once(self) -> None:
        for process in list(self.stage.processes):
            for pid in process.pids():
                name = f"{process.name}, process {pid},"
                self.largest[name] = max(self.largest.get(name, 0), own_bytes(pid))


def own_bytes(pid: int) -> int:
    """The memory of a process, what it shares with others counted as its part; 0 of one that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def soak(place: Path, minutes: float, seed: int, say: Say) -> Outcome:
    """Run it in that folder, which is new. The faults follow from the seed."""
    outcome, dice = Outcome(), Random(seed)  # noqa: S311 - dice, no secret
    with stage(place) as there:
        there.start("worker").wait_until_it_says("ready.")
        there.start("beat")
        dices = [Random(dice.random()) for _ in range(4)]  # noqa: S311
        writer, asker = Writer(there, dices[0]), Asker(there, dices[1])
        watcher, gauge = Watcher(there, dices[2]), Gauge(there, dices[3])
        _trouble(there, dice, minutes * 60, outcome, say)
        asker.stop()
        evidence = Evidence(there, asker, watcher, gauge.largest)
        settle(evidence)
        for one in (writer, watcher, gauge):
            one.stop()
        left = _bring_to_rest(there, evidence)
        outcome.broken = {one.number: list(one.broken(evidence)) for one in PROMISES}
        outcome.broken["I6"] += left
        outcome.runs = Counter((run.operation, run.state) for run in evidence.runs)
        outcome.listed, outcome.written = len(watcher.looks["storage"].backups), writer.written
        outcome.doubted, outcome.heard = there.doubted, len(there.hearer.taken)
    return outcome


def _trouble(there: Stage, dice: Random, seconds: float, outcome: Outcome, say: Say) -> None:
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        time.sleep(dice.uniform(*PEACE_SECONDS))
        chosen = dice.sample(FAULTS, 1 + (dice.random() < TWO_AT_ONCE))
        say(f"{passed:6.1f} s  {' and '.join(fault.name for fault in chosen)}")
        _hold(there, chosen, dice)
        outcome.faults.update(fault.name for fault in chosen)
        for what in ("worker", "beat"):
            if there.last(what).process.poll() is not None:
                there.start(what)


def _hold(there: Stage, chosen: list[Fault], dice: Random) -> None:
    there.troubles += len(chosen)
    with contextlib.ExitStack() as held:
        for fault in chosen:
            held.enter_context(fault.hold(there, dice))
        time.sleep(max(dice.uniform(*fault.seconds) for fault in chosen))


def _bring_to_rest(there: Stage, evidence: Evidence) -> list[str]:
    """The last restore must make good whatever became of those before; then all is swept, and all processes end."""
    for server in (there.broker, there.source, there.target):
        wait_for(server)
    broken = []
    restored = _shell(there, "restore", "latest", "--mode", "mirror", "--to", ELSEWHERE, "--yes", "--force")
    if restored.code:
        broken.append(f"a restore once all was well again failed: {restored.err.strip()}")
    evidence.heard = heard_all(there)
    there.end_worker()
    if (swept := _shell(there, "prune")).code:
        broken.append(f"a prune once all was well again failed: {swept.err.strip()}")
    there.stop()
    there.target.client(CHANGING_DB).flushdb()
    broken += [
        f"in the target, after it: {line}" for line in differences(there.ground, state(there.target, times=False))
    ]
    return broken


def _shell(there: Stage, *words: str) -> Ended:
    return run(*PYTHON, *words, env=there.env, cwd=there.folder, forked=False)

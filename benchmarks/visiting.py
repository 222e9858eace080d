"""A process that visits a source: as a worker does every few seconds (`--every 5`), or again and again to be timed (`--times 30`), or
as a listener whose age is watched (`--listen 8`). What it has measured it prints as JSON: seconds, by name.
"""

import json
import sys
import threading
import time
from datetime import UTC, datetime
from statistics import median

from worker.config.settings import load
from worker.segments.visits.folder import folder_of
from worker.segments.visits.listen import listen
from worker.segments.visits.standing import of_folder
from worker.segments.visits.visit import visit

LOOK_SECONDS = 0.02


def timed(times: int) -> float:
    """The median time of a visit that finds nothing."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        visit(load())
        took.append(time.perf_counter() - began)
    return median(took)


def oldest(seconds: float) -> float:
    """How old what is at home became at most, while a listener was at work."""
    worker = threading.Thread(target=listen, args=(load(), seconds))
    worker.start()
    ages = []
    time.sleep(min(2.0, seconds / 2))
    while worker.is_alive():
        known = of_folder(folder_of(load()))
        if known is not None and worker.is_alive():
            ages.append(known.age_seconds(datetime.now(UTC)))
        time.sleep(LOOK_SECONDS)
    return max(ages)


def main(how: str, number: float) -> None:
    """As it was asked."""
    if how == "--times":
        visit(load())
        print(json.dumps({"seconds": timed(int(number))}))
    elif how == "--listen":
        print(json.dumps({"seconds": oldest(number)}))
    else:
        while True:
            visit(load())
            time.sleep(number)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))

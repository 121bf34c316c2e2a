"""`python -m integration.faults --trials 200 --seed 1`: randomised trials against a real MLflow server.

Each trial is told by its own seed, which is printed; `--only SEED` repeats one. Ends with status 1 when one failed.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from integration.faults.campaign import run_campaign


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m integration.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; the others follow")
    parser.add_argument("--only", type=int, action="append", metavar="SEED", help="these trials alone")
    parser.add_argument("--workers", type=int, default=3, help="trials at a time")
    parser.add_argument("--restarts", type=int, default=3, help="how often the server is killed and started again")
    given = parser.parse_args()
    seeds = given.only or range(given.seed, given.seed + given.trials)
    restarts = 0 if given.only else given.restarts
    sys.exit(1 if run_campaign(seeds, given.workers, restarts, Console()) else 0)


if __name__ == "__main__":
    main()

"""``make bench``: how fast the product is, beside others that do the same in one run.

usage: python -m tests.bench --broker HOST:PORT [--events N] [--rounds N]

Three parts, each with a docstring of its own: ``river`` (events counted), ``classify``
(replies read) and ``observe`` (keys watched). Everything is also in
``build/bench.json``. Exit status 1: programs do not agree, or a bound is missed.
"""

import argparse
import json
import sys
from pathlib import Path

from monitor.service.embedded import sigterm_as_ctrl_c
from tests.bench.classify import bench_classify, print_classify
from tests.bench.observe import observe_bench, print_observe
from tests.bench.processes import Failed
from tests.bench.river import bench_river, print_river

REPORT = Path("build") / "bench.json"

#: Rounds of the parts that need no broker.
QUICK_ROUNDS = 7


def main() -> int:
    """Run all parts; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--broker", required=True)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    sigterm_as_ctrl_c()
    try:
        river = bench_river(asked.broker, asked.events, asked.rounds)
    except Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    classify = bench_classify(QUICK_ROUNDS)
    observe = observe_bench(QUICK_ROUNDS)
    good = [print_river(river), print_classify(classify), print_observe(observe)]
    REPORT.parent.mkdir(exist_ok=True)
    report = river | {"classify": classify, "observe": observe}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

"""How fast a reply is classified, beside a loop over a list of regular expressions.

usage: python -m tests.bench.classify [--rounds N] [--fuzz [COUNT]]

Five figures, in replies a CPU second of one core (user and system, so that other
programs do not count; what they do to the processor's caches does):

* ``regex_loop``: a bounce file as mail servers have it, 135 case-insensitive patterns
  tried one after another, the first that is found decides. The patterns are 135 of our
  own, spread over all our rules; they are given for comparison, not for their answers.
* ``cold``: every text of the corpus (``tests/classify/replies.tsv``) once, by a
  classifier that has never seen any of them and knows no token of them either.
* ``cached``: the same texts again.
* ``live``: texts made of the load test's templates, no two alike (addresses, queue ids,
  IPs), in batches, by a classifier that has met the templates: what a worker pays.
* ``scrub``: the same texts made fit to leave the process.

All five run in turn, several rounds; a ratio is the median of the rounds' ratios, since
neighbours in time share the machine's noise. Exit status 1: a ratio is below its bound.

``--fuzz`` instead asks for hostile texts (``tests/bench/hostile.py``) with any codes,
and prints how long the answers took, each one never asked before; garbage collection
counts, over what was made since the start, as in the worker. Exit status 1: the 99th
percentile or the worst is above what is promised.
"""

import argparse
import gc
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from monitor.classify import Classifier, builtin_rules, scrub
from monitor.classify.normal import forget_tokens
from monitor.events import DeliveryEvent, Outcome
from tests.bench.hostile import hostile_texts, replies
from tests.bench.world import BOUNCES, DEFERRALS, DOMAINS, IPS

#: What a loop of so many patterns is compared with; and how much faster we must be.
LOOP_PATTERNS = 135
LEAST = {"cold/regex_loop": 2.5, "cached/cold": 8.0, "live/cold": 3.0}

#: Failures of the live part, as many again to meet the templates first.
LIVE = 20_000

FUZZED = 200_000
FUZZ_SEED = 20261122
#: The promise for one answer, in milliseconds of CPU time.
MOST_P99, MOST_WORST = 2.0, 50.0

#: Failures in one batch: those of some hundred events.
BATCH = 50


def regex_loop() -> Callable[[str], str]:
    """A reader of replies that tries its patterns one by one."""
    patterns = [one for rule in builtin_rules() for one in rule.patterns]
    chosen = [
        patterns[len(patterns) * number // LOOP_PATTERNS]
        for number in range(LOOP_PATTERNS)
    ]
    compiled = [re.compile(pattern, re.IGNORECASE) for pattern in chosen]

    def read(text: str) -> str:
        for pattern in compiled:
            if pattern.search(text):
                return pattern.pattern
        return ""

    return read


def live(count: int, seed: int) -> list[DeliveryEvent]:
    """Failures as they come; no text twice."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        noise, domain = rng.getrandbits(64), rng.choice(DOMAINS)
        text = rng.choice(BOUNCES + DEFERRALS).format(
            u=f"user{noise % 90_001}", d=domain, i=rng.choice(IPS), x=f"{noise:016x}"
        )
        status = text[4:].partition(" ")[0]
        made.append(
            DeliveryEvent(
                event_id="",
                event_time=0.0,
                source="canonical",
                outcome=Outcome.BOUNCED,
                reply_code=int(text[:3]),
                enhanced_status=status,
                diagnostic=text,
                recipient_domain=domain,
            )
        )
    return made


def _rate(work: Callable[[], object], count: int) -> float:
    start = time.process_time()
    work()
    return count / (time.process_time() - start)


def _round(number: int, warm: Classifier) -> dict[str, float]:
    """Each figure once, in replies a second."""
    corpus, loop = replies(), regex_loop()
    failures = live(LIVE, number + 1)
    forget_tokens()
    fresh = Classifier()
    rates = {"regex_loop": _rate(lambda: [loop(one) for one in corpus], len(corpus))}
    for name in ("cold", "cached"):
        rates[name] = _rate(
            lambda: [fresh.classify(one) for one in corpus], len(corpus)
        )
    # The templates' tokens were forgotten with the rest; met again, they are known.
    _all(warm, live(LIVE // 10, -number - 1))
    rates["live"] = _rate(lambda: _all(warm, failures), LIVE)
    rates["scrub"] = _rate(lambda: [scrub(one.diagnostic) for one in failures], LIVE)
    return rates


def _all(classifier: Classifier, failures: list[DeliveryEvent]) -> None:
    for start in range(0, len(failures), BATCH):
        batch = failures[start : start + BATCH]
        providers = [one.recipient_domain.partition(".")[0] for one in batch]
        classifier.classify_all(batch, providers)


def bench_classify(rounds: int) -> dict[str, Any]:
    """All figures of all rounds and the ratios between them."""
    warm = Classifier()
    _all(warm, live(LIVE, 0))
    _round(0, warm)  # reads the rules and compiles what is compiled at first use
    every = [_round(number, warm) for number in range(1, rounds + 1)]
    return {
        "replies_per_cpu_second": {
            name: [round(one[name]) for one in every] for name in every[0]
        },
        "ratios": {
            pair: round(statistics.median(_ratio(one, pair) for one in every), 2)
            for pair in LEAST
        },
    }


def _ratio(rates: dict[str, float], pair: str) -> float:
    ours, _, theirs = pair.partition("/")
    return rates[ours] / rates[theirs]


def print_classify(report: dict[str, Any]) -> bool:
    """Print what ``bench_classify`` found; whether every ratio is good enough."""
    for name, rates in report["replies_per_cpu_second"].items():
        median = statistics.median(rates)
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        print(f"{name:12} {median:9,.0f}/CPU s, {1e6 / median:6.2f} us ({spread})")
    for pair, ratio in report["ratios"].items():
        print(f"{pair} {ratio:.1f}, must be >= {LEAST[pair]:g}")
    return all(ratio >= LEAST[pair] for pair, ratio in report["ratios"].items())


def fuzz(count: int) -> dict[str, float]:
    """Milliseconds of CPU time for one answer, over ``count`` hostile texts."""
    classifier, rng = Classifier(), random.Random(FUZZ_SEED)
    classifier.classify("the rules are read")
    gc.collect()
    gc.freeze()  # as the worker does
    times = sorted(
        _took(classifier, text, rng) for text in hostile_texts(count, FUZZ_SEED)
    )
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "worst": 1.0}
    return {name: times[int(share * (count - 1))] for name, share in shares.items()}


def _took(classifier: Classifier, text: str, rng: random.Random) -> float:
    code, status = rng.randrange(-1, 700), rng.choice(("", "5.1.1", "4.x", "5.7.1"))
    provider = rng.choice(("", "gmail", "yahoo.com", "mx.example.org", text[:300]))
    hint = rng.choice(("", "Permanent/NoEmail", text[:300]))
    start = time.process_time()
    classifier.classify(text, code, status, provider, hint)
    return (time.process_time() - start) * 1e3


def _print_fuzz(count: int) -> bool:
    found = fuzz(count)
    words = ", ".join(f"{name} {took:.2f}" for name, took in found.items())
    print(f"{count:,} hostile texts, CPU ms: {words}")
    print(f"p99 must be <= {MOST_P99:g}, the worst <= {MOST_WORST:g}")
    return found["p99"] <= MOST_P99 and found["worst"] <= MOST_WORST


def main() -> int:
    """Run the benchmark or the fuzzer; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.classify")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--fuzz", type=int, nargs="?", const=FUZZED, default=0)
    asked = parser.parse_args()
    if asked.fuzz:
        return 0 if _print_fuzz(asked.fuzz) else 1
    return 0 if print_classify(bench_classify(asked.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())

"""How many events one core counts, beside the plainest programs that could.

Three programs read the same topic of a real Kafka from its start, each in a process and
consumer group of its own, one after the other:

(a) ``empty_agent``: a Faust agent that does nothing, on the first events only;
(b) ``handwritten``: confluent-kafka, msgspec and a ``Counter`` a column;
(c) ``bouncemon worker`` with everything on: duplicates, providers, reasons, durable
    tallies, ledger, commits, detection, throttling in mode enforce, HTTP server.

Printed are events per CPU second. The CPU seconds of a program are those of its whole
process (user and system, all threads, from ``wait4``), less those of the same program
on an empty topic of as many partitions: what starting and stopping cost. That takes
nothing else off: our periodic work while events are counted is on our bill, as is one
scrape a second, and the last merge of the fleet's owner. Wall time is not measured.
The figures of one run belong together; on another machine only the ratios mean much.

All three must agree on what they counted.
"""

import asyncio
import json
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from monitor.providers import ProviderMatcher
from monitor.service import clock
from monitor.service.counts import CountsQuery, CountsReport, read_counts
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics
from tests.bench.processes import Failed, Run, run_module, run_worker
from tests.bench.world import RATE, load, make_topics

#: Our speed must be at least so many times theirs.
LEAST_TO_HANDWRITTEN = 0.4
LEAST_TO_EMPTY_AGENT = 12.0

#: The empty agent is slow, and as slow on few events as on many.
AGENT_EVENTS = 30_000

#: A column of ours, and the one of the plain program that it comes from.
DIMENSIONS = {
    "provider": "recipient_domain",
    "source_ip": "source_ip",
    "campaign": "campaign",
}


class Bench:
    """One loaded and one empty topic, and how to run each program on them.

    ``Settings`` of ours read the environment, where ``tests.kafka`` put the broker.
    """

    def __init__(self, broker: str, events: int, folder: Path) -> None:
        self.broker = broker
        self.events = events
        self.agent_events = min(events, AGENT_EVENTS)
        self._folder = folder
        # A broker may have seen a run before.
        self._name = f"bench-{uuid4().hex[:8]}"
        self._topics = {True: f"{self._name}-full", False: f"{self._name}-empty"}
        self._runs = 0

    def load(self) -> None:
        """Make and fill the topics."""
        make_topics(self.broker, list(self._topics.values()))
        size = load(
            self.broker,
            self._topics[True],
            self.events,
            clock.now() - self.events / RATE,
        )
        print(f"loaded {self.events:,} events of {size / self.events:.0f} bytes")

    def empty_agent(self, full: bool) -> Run:
        """Run (a); it must have seen what its offsets say."""
        events = self.agent_events if full else 0
        run = run_module(
            "empty_agent",
            *(self.broker, self._topics[full], self._group(), str(events)),
            str(self._folder / f"agent-{self._runs}"),
        )
        _agree("events of the empty agent", run.said["events"], events)
        _agree("records of the empty agent", run.said["records"], events)
        return run

    def handwritten(self, full: bool) -> Run:
        """Run (b)."""
        run = run_module("handwritten", self.broker, self._topics[full], self._group())
        events = self.events if full else 0
        _agree("events of the plain program", run.said["events"], events)
        return run

    def worker(self, full: bool) -> Run:
        """Run (c) on topics of its own; what it counted is read back from Kafka."""
        environ = self._environ(full, f"{self._group()}-")
        settings = _settings(environ)
        asyncio.run(create_topics(settings))
        events = self.events if full else 0
        log = self._folder / f"worker-{self._runs}.log"
        _, seconds = run_worker(environ, events, log)
        report = read_counts(settings, CountsQuery(by=tuple(DIMENSIONS)))
        _agree("events of the worker", report.ledger.counted, events)
        _agree("unaccounted events", report.unaccounted, 0)
        return Run(_by_dimension(report), seconds)

    def _group(self) -> str:
        """A consumer group, or a prefix of topics, that nobody has used."""
        self._runs += 1
        return f"{self._name}-{self._runs}"

    def _environ(self, full: bool, prefix: str) -> dict[str, str]:
        inputs = [{"topic": self._topics[full], "source": "canonical"}]
        return {
            "BOUNCEMON_KAFKA__BROKERS": self.broker,
            "BOUNCEMON_KAFKA__GROUP_ID": f"{prefix}group",
            "BOUNCEMON_KAFKA__TOPIC_PREFIX": prefix,
            "BOUNCEMON_INPUTS": json.dumps(inputs),
            "BOUNCEMON_THROTTLE__MODE": "enforce",
        }


def _settings(environ: dict[str, str]) -> Settings:
    return load_settings(None, {**os.environ, **environ})


def _by_dimension(report: CountsReport) -> dict[str, Any]:
    sent: dict[str, Counter[str]] = {name: Counter() for name in DIMENSIONS}
    bounced: dict[str, Counter[str]] = {name: Counter() for name in DIMENSIONS}
    for values, columns in report.rows:
        for name, value in zip(DIMENSIONS, values, strict=True):
            sent[name][value] += columns["attempts"]
            bounced[name][value] += columns["bounce"]
    return {"sent": sent, "bounced": bounced}


def compare(plain: dict[str, Any], ours: dict[str, Any]) -> None:
    """Both programs' totals, domains rolled up to providers.

    Raises:
        Failed: they differ.
    """
    provider_of = ProviderMatcher.builtin().match
    for what in ("sent", "bounced"):
        for name, column in DIMENSIONS.items():
            theirs: Counter[str] = Counter()
            for value, count in plain[what][column].items():
                theirs[provider_of(value) if name == "provider" else value] += count
            # ``+`` leaves out zeros: a value that never bounced is no key of theirs.
            _agree(f"{what} by {name}", +ours[what][name], theirs)


def _agree(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Failed(f"{what}: {str(found)[:300]} is not {str(wanted)[:300]}")


def _measure(program: Callable[[bool], Run], events: int, idle: float) -> Run:
    """A run over the full topic; ``seconds`` becomes events per CPU second."""
    run = program(True)
    if run.seconds <= idle:
        raise Failed("too few events: starting costs more than counting")
    return Run(run.said, events / (run.seconds - idle))


def bench_river(broker: str, events: int, rounds: int) -> dict[str, Any]:
    """Load a topic, and run all programs on it in turn; the report.

    Raises:
        Failed: a program failed, or they do not agree.
    """
    with tempfile.TemporaryDirectory(prefix="bouncemon-bench-") as folder:
        one = Bench(broker, events, Path(folder))
        one.load()
        return _rounds(one, rounds)


def _rounds(one: Bench, rounds: int) -> dict[str, Any]:
    programs = {
        # Not Faust first: it complains when Kafka still makes its topic of offsets.
        "handwritten": (one.handwritten, one.events),
        "empty_agent": (one.empty_agent, one.agent_events),
        "worker": (one.worker, one.events),
    }
    idle = {
        name: statistics.median(run(False).seconds for _ in range(rounds))
        for name, (run, _) in programs.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds):
        said = {}
        for name, (run, events) in programs.items():
            said[name], rate = _measure(run, events, idle[name])
            rates[name].append(rate)
        compare(said["handwritten"], said["worker"])
        words = (f"{name} {values[-1]:,.0f}/s" for name, values in rates.items())
        print(f"round {number + 1}: {', '.join(words)}, counts agree", flush=True)
    return {
        "events": one.events,
        "empty_agent_events": one.agent_events,
        "start_cpu_seconds": idle,
        "events_per_cpu_second": rates,
        "ratio_to_handwritten": _ratio(rates["worker"], rates["handwritten"]),
        "ratio_to_empty_agent": _ratio(rates["worker"], rates["empty_agent"]),
    }


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median ratio of a round: neighbours in time share the machine's noise."""
    pairs = zip(ours, theirs, strict=True)
    return round(statistics.median(one / other for one, other in pairs), 3)


def print_river(report: dict[str, Any]) -> bool:
    """Print what ``bench_river`` found; whether both ratios are good enough."""
    for name, rates in report["events_per_cpu_second"].items():
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        print(f"{name:12} {statistics.median(rates):9,.0f} events/CPU s ({spread})")
    print(
        f"ratio_to_handwritten {report['ratio_to_handwritten']:.2f}, "
        f"must be >= {LEAST_TO_HANDWRITTEN}"
    )
    print(
        f"ratio_to_empty_agent {report['ratio_to_empty_agent']:.1f}, "
        f"must be >= {LEAST_TO_EMPTY_AGENT:g}"
    )
    return bool(
        report["ratio_to_handwritten"] >= LEAST_TO_HANDWRITTEN
        and report["ratio_to_empty_agent"] >= LEAST_TO_EMPTY_AGENT
    )

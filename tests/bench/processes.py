"""Child processes and the CPU seconds that they cost."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from monitor.service import clock
from monitor.service.embedded import die_with_parent, free_port

#: The slowest program needs half a minute on a busy machine.
RUN_SECONDS = 300.0

#: Between two looks at the worker. A look costs it a scrape, which Prometheus would ask
#: of it less often, and which is on our bill.
LOOK_SECONDS = 1.0


class Failed(Exception):
    """A program did not do what it is here for."""


class Run(NamedTuple):
    """What a program printed, and its CPU seconds: user and system, all threads."""

    said: dict[str, Any]
    seconds: float


def run_module(name: str, *arguments: str) -> Run:
    """Run one of our programs to its end; its last line is JSON.

    Raises:
        Failed: it did not end well.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{name}", *arguments],
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    assert child.stdout is not None
    said = child.stdout.read()
    seconds = _reap(child)
    if child.returncode:
        raise Failed(f"{name} ended with status {child.returncode}")
    return Run(json.loads(said.splitlines()[-1]), seconds)


def run_worker(environ: Mapping[str, str], records: int, log: Path) -> Run:
    """Run ``bouncemon worker`` until it has counted and judged so many records.

    *Judged*: the fleet's owner has taken every tally that was written so far.

    Raises:
        Failed: it ended before, or did not end well.
    """
    port = free_port()
    with log.open("wb") as lines:
        child = subprocess.Popen(
            [sys.executable, "-m", "monitor", "worker"],
            env={**os.environ, **environ, "BOUNCEMON_HTTP__PORT": str(port)},
            stdout=lines,
            stderr=lines,
            preexec_fn=die_with_parent(),
        )
    deadline = clock.monotonic() + RUN_SECONDS
    while not _has_done(port, records):
        if child.poll() is not None or clock.monotonic() > deadline:
            child.kill()
            child.wait()
            raise Failed(f"the worker did not finish:\n{log.read_text()[-2000:]}")
        sleep(LOOK_SECONDS)
    child.terminate()
    seconds = _reap(child)
    if child.returncode:
        raise Failed(f"the worker ended with status {child.returncode}")
    return Run({}, seconds)


def _reap(child: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a child; its CPU seconds."""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _has_done(port: int, records: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
    except OSError:
        return False
    read = sent = taken = owned = 0.0
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            match sample.name, sample.labels.get("result"):
                case "bouncemon_records_total", _:
                    read += sample.value
                case "bouncemon_tallies_total", "sent":
                    sent += sample.value
                case "bouncemon_tallies_total", _:
                    taken += sample.value
                case "bouncemon_assigned_partitions", _:
                    owned += sample.value
    return owned > 0 and read >= records and taken >= sent

"""Whole workers as processes: start, kill, stop, and what they write."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from monitor.service import clock
from monitor.service.embedded import die_with_parent, free_port

#: Between two looks at a condition.
POLL_SECONDS = 0.05


class WorkerProcess:
    """``bouncemon worker`` in a process of its own, with its log in a file.

    ``program`` is the module that runs, and what stands before the word ``worker``.
    """

    #: Started in this test; who still runs at its end is killed.
    started: ClassVar[list[Self]] = []

    def __init__(
        self,
        name: str,
        environ: Mapping[str, str],
        folder: Path,
        program: tuple[str, ...] = ("monitor",),
    ) -> None:
        self.name = name
        self.port = free_port()
        self._command = [sys.executable, "-m", *program, "worker"]
        folder.mkdir(exist_ok=True)
        self.log = folder / f"{name}.log"
        self._environ = {
            **os.environ,
            **environ,
            "BOUNCEMON_KAFKA__INSTANCE_ID": name,
            "BOUNCEMON_HTTP__PORT": str(self.port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )
        self.started.append(self)
        return self

    @classmethod
    def end_all(cls) -> None:
        """Leave none of a test, failed or not, to the next one."""
        for worker in cls.started:
            if worker.alive:
                worker.kill()
        cls.started.clear()

    def kill(self) -> None:
        """SIGKILL: no goodbye of any kind."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait(self, seconds: float) -> int:
        """The exit status of a worker that ends by itself."""
        assert self._process is not None
        return self._process.wait(seconds)

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Return once ``/readyz`` says so."""
        deadline = clock.monotonic() + seconds
        while not self._ready():
            assert self.alive, f"it ended: {self.log.read_text()[-2000:]}"
            assert clock.monotonic() < deadline, f"{self.name} is not ready"
            time.sleep(POLL_SECONDS)

    def _ready(self) -> bool:
        try:
            return self.get("/readyz") == "ready\n"
        except OSError:
            return False

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def own_errors(self) -> list[str]:
        """Lines of the log in which our own code complains, or Python does."""
        found = []
        for line in self.log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                found.append(line)
                continue
            ours = entry["logger"].startswith("monitor")
            if ours and entry["level"] in ("error", "critical"):
                found.append(line)
        return found

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def get(self, path: str) -> str:
        """The body of an HTTP answer of this worker."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read()).decode()

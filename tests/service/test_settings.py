"""Settings: where values come from, what is refused, and in which words."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.events import Channel, Mode
from monitor.observe.policy import DEFAULT_LIMITS, Limit, ObservePolicy
from monitor.service.assembly import fleet_policy
from monitor.service.settings import (
    FILE_VARIABLE,
    Settings,
    load_settings,
    read_secret,
)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


def refusal(file: Path | None, text: str, **environ: str) -> str:
    if file:
        file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_settings(file, environ)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_defaults_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert settings.kafka.brokers == ("127.0.0.1:9092",)
    assert settings.throttle.mode is Mode.OBSERVE
    assert [(one.topic, one.source) for one in settings.inputs] == [
        ("delivery.events", "canonical")
    ]
    assert settings.kafka.instance_id


def test_default_file_is_found_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bouncemon.toml").write_text("[http]\nport = 9100\n")
    assert load_settings(None, {}).http.port == 9100


def test_file_by_variable_and_argument_wins(toml: Path, tmp_path: Path) -> None:
    toml.write_text("[http]\nport = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[http]\nport = 2\n")
    environ = {FILE_VARIABLE: str(toml)}
    assert load_settings(None, environ).http.port == 1
    assert load_settings(other, environ).http.port == 2


def test_environment_wins_over_the_file_field_by_field(toml: Path) -> None:
    toml.write_text('[kafka]\nbrokers = ["a:1"]\ngroup_id = "g"\n')
    environ = {"BOUNCEMON_KAFKA__BROKERS": "b:2, c:3", "BOUNCEMON_HTTP__PORT": "0"}
    settings = load_settings(toml, environ)
    assert settings.kafka.brokers == ("b:2", "c:3")
    assert settings.kafka.group_id == "g"
    assert settings.http.port == 0


def test_lists_and_tables_come_from_the_environment_too() -> None:
    environ = {
        "BOUNCEMON_INPUTS": '[{"topic": "t", "source": "canonical", "fleet": "f"}]',
        "BOUNCEMON_THROTTLE__DENY_CAMPAIGNS": '["a,b", "c"]',
        "BOUNCEMON_OBSERVE__DIMENSIONS": "ip,provider",
    }
    settings = load_settings(None, environ)
    assert settings.inputs[0].fleet == "f"
    assert settings.throttle.deny_campaigns == ("a,b", "c")
    assert settings.observe.dimensions == ("ip", "provider")


def test_empty_variables_and_strange_ones_are_not_ours() -> None:
    environ = {"BOUNCEMON_HTTP__PORT": "", "PATH": "/bin", "BOUNCEMONKEY": "1"}
    assert load_settings(None, environ) == load_settings(None, {})


def test_the_real_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOUNCEMON_HTTP__PORT", "77")
    assert load_settings(None, {}).http.port == 8080
    assert Settings().http.port == 8080


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[countng]\n", ["my.toml: countng", "did you mean counting?"]),
        (
            "[counting]\nslot_second = 5\n",
            ["my.toml: counting.slot_second ", "did you mean counting.slot_seconds?"],
        ),
        (
            '[[inputs]]\ntopic = "t"\nsource = "canonical"\nflet = "x"\n',
            ["inputs[0].flet is not a setting", "did you mean inputs.fleet?"],
        ),
        (
            "[counting]\nslot_seconds = 0\n",
            ["counting.slot_seconds = 0", "greater than or equal to 1"],
        ),
        ('[throttle]\nmode = "on"\n', ["throttle.mode = 'on'", "'observe'"]),
        ('[[inputs]]\ntopic = "t"\n', ["inputs[0].source is missing"]),
        ('[[inputs]]\ntopic = "t"\nsource = "canonicl"\n', ["did you mean canonical?"]),
        (
            '[[inputs]]\ntopic = "t"\nsource = "canonical"\nfleet = "a|b"\n',
            ["inputs[0].fleet = 'a|b'", "pattern"],
        ),
        (
            '[[inputs]]\ntopic = "t"\nsource = "canonical"\n' * 2,
            ["topic t is named twice"],
        ),
        (
            "[counting]\nslot_seconds = 7\n",
            ["allowed_lateness_seconds must be a multiple of slot_seconds (7)"],
        ),
        ("[kafka]\nheartbeat_seconds = 3\n", ["at most a third", "(6)"]),
        ('[kafka]\nsecurity_protocol = "SASL_SSL"\n', ["sasl_mechanism go together"]),
        (
            '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\n',
            ["needs sasl_username and sasl_password_file"],
        ),
        ('[kafka]\nbrokers = ["nowhere"]\n', ["kafka.brokers[0] = 'nowhere'"]),
        ("inputs = []\n", ["inputs", "at least 1"]),
        ('[observe]\ndimensions = ["isp"]\n', ["no such dimension", "ip"]),
        (
            '[observe]\ndetectors = ["limit", "drif"]\n',
            ["observe.detectors[1] = 'drif'", "did you mean drift?"],
        ),
        ("[observe]\ndetectors = []\n", ["observe.detectors", "at least 1"]),
        (
            '[observe.limits]\nhard = "much"\n',
            ["observe.limits.hard = 'much'", "5%/10% or off"],
        ),
        (
            '[observe.limits]\nhard = "10%/5%"\n',
            ["observe.limits.hard", "ticket's rate first"],
        ),
        ("[observe.limits]\nhard = 5\n", ["observe.limits.hard", "below 100 %"]),
        (
            '[observe.limits]\nblok = "5%"\n',
            ["observe.limits.blok is not a setting", "observe.limits.block?"],
        ),
        ("[http]\nport = true\n", ["http: port: no setting is true or false"]),
        ("kafka = 3\n", ["my.toml: kafka = 3"]),
        ("[kafka\n", ["my.toml: is not TOML"]),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    toml: Path, text: str, words: list[str]
) -> None:
    message = refusal(toml, text)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BOUNCEMON_HTTP__PORT", "eighty", ["BOUNCEMON_HTTP__PORT: http.port"]),
        ("BOUNCEMON_HTP__PORT", "80", ["BOUNCEMON_HTP__PORT is", "http"]),
        ("BOUNCEMON_HTTP__PRT", "80", ["BOUNCEMON_HTTP__PRT: ", "http.port?"]),
        ("BOUNCEMON_INPUTS", "[{", ["BOUNCEMON_INPUTS: inputs", "must be JSON"]),
        ("BOUNCEMON_KAFKA__BROKERS", "[", ["BOUNCEMON_KAFKA__BROKERS", "JSON"]),
        ("BOUNCEMON_HTTP__PORT__X", "1", ["http.port"]),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, words: list[str]) -> None:
    message = refusal(None, "", **{name: value})
    for word in words:
        assert word in message


def test_many_faults_are_counted_and_long_values_cut(toml: Path) -> None:
    sections = "".join(f"[x{i}]\n" for i in range(9))
    assert "and 6 more" in refusal(toml, sections)
    assert len(refusal(toml, f'[throttle]\nmode = "{"x" * 5000}"\n')) < 300


def test_detectors_and_limits_reach_the_policy(toml: Path) -> None:
    toml.write_text(
        '[observe]\ndetectors = ["limit", "new_reply"]\n'
        '[observe.limits]\nhard = "2%/0.05"\nblock = 0.04\ncomplaint = "off"\n'
    )
    environ = {"BOUNCEMON_OBSERVE__LIMITS__CONFIG": "1%"}
    policy = fleet_policy(load_settings(toml, environ)).observe
    assert policy.detectors == ("limit", "new_reply")
    assert policy.limits == {
        **{k: v for k, v in DEFAULT_LIMITS.items() if k is not Channel.COMPLAINT},
        Channel.HARD: Limit(0.02, 0.05),
        Channel.BLOCK: Limit(0.04, 0.04),
        Channel.CONFIG: Limit(0.01, 0.01),
    }


def test_default_limits_are_those_of_the_policy() -> None:
    policy = fleet_policy(load_settings(None, {})).observe
    assert policy.limits == DEFAULT_LIMITS
    assert policy.detectors == ObservePolicy().detectors


def test_a_missing_named_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(None, "", BOUNCEMON_CONFIG=str(tmp_path / "no"))


def said_about(environ: dict[str, str]) -> str:
    try:
        return str(load_settings(None, environ).http.port)
    except ConfigError as error:
        return str(error)


names = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["HTTP__PORT", "INPUTS", "KAFKA__BROKERS", "LOG__LEVEL", "KAFKA"]),
)


@given(st.dictionaries(names, st.text(max_size=8), max_size=4))
def test_any_environment_loads_or_is_refused_in_one_line(pairs: dict[str, str]) -> None:
    environ = {f"BOUNCEMON_{name}": value for name, value in pairs.items()}
    assert len(said_about(environ).splitlines()) == 1


def test_secrets(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" s3cret\n")
    assert read_secret(file) == "s3cret"
    for content in (b"", b"\n", b"\xff\xfe", b"x" * 9000):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match="token"):
            read_secret(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(tmp_path / "none")

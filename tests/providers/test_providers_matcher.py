import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.events import DeliveryEvent, Outcome
from monitor.providers import OTHER, ProviderMatcher
from monitor.providers.matcher import MAX_CACHED, MAX_HOST

TABLE = """group,kind,recipient_domains,mx_suffixes,evidence
alpha,mailbox,alpha.test;mail.alpha.test,.mx.alpha.test,own
beta_hosted,hosted,,hosted.beta.test;.beta-mx.test,own
beta,mailbox,Beta.test, .beta.test ,own
"""

#: Some in the table, as a domain or as a host, and some that are not.
NAMED = st.sampled_from(
    ["", "alpha.test", "x.mx.alpha.test", "beta.test", "a.hosted.beta.test", "b.test"]
)

LABELS = st.text("abcxyz0123456789-_", min_size=1, max_size=8)
HOSTS = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


@pytest.fixture(scope="module")
def matcher() -> ProviderMatcher:
    return ProviderMatcher.from_csv(TABLE)


@pytest.fixture(scope="module")
def builtin() -> ProviderMatcher:
    return ProviderMatcher.builtin()


@pytest.mark.parametrize(
    ("domain", "mx", "group"),
    [
        ("alpha.test", "", "alpha"),
        ("ALPHA.test.", "", "alpha"),
        ("mail.alpha.test", "", "alpha"),
        ("sub.alpha.test", "", OTHER),  # domains match whole, not by suffix
        ("company.test", "in1.mx.alpha.test", "alpha"),
        ("company.test", "IN1.MX.Alpha.Test.", "alpha"),
        ("company.test", "mx.alpha.test", "alpha"),
        ("company.test", "notmx.alpha.test", OTHER),  # no label boundary
        ("company.test", "in1.mx.alpha.test.evil.test", OTHER),
        ("company.test", "a.hosted.beta.test", "beta_hosted"),  # the longest suffix
        ("company.test", "a.beta.test", "beta"),
        ("alpha.test", "a.beta-mx.test", "beta_hosted"),  # the host goes first
        ("alpha.test", "gateway.test", "alpha"),
        ("", "", OTHER),
    ],
)
def test_matches(matcher: ProviderMatcher, domain: str, mx: str, group: str) -> None:
    assert matcher.match(domain, mx) == group
    assert matcher.match(domain, mx) == group  # from the cache


@given(prefix=HOSTS, domain=HOSTS)
def test_a_suffix_matches_at_label_boundaries_only(prefix: str, domain: str) -> None:
    matcher = ProviderMatcher({}, {domain: "group"})
    assert matcher.match("", domain) == "group"
    assert matcher.match("", f"{prefix}.{domain}") == "group"
    assert matcher.match("", f"{prefix}.{domain}.".upper()) == "group"
    glued = prefix + domain
    assert matcher.match("", glued) == expected(glued, domain)
    assert matcher.match("", f"{domain}{prefix}") == expected(domain + prefix, domain)
    assert matcher.match(f"{prefix}.{domain}") == OTHER


def expected(host: str, suffix: str) -> str:
    """The law once more, in other words."""
    labels, wanted = host.split("."), suffix.split(".")
    return "group" if labels[-len(wanted) :] == wanted else OTHER


@given(hosts=st.lists(HOSTS, min_size=1, max_size=6, unique=True), prefix=HOSTS)
def test_the_longest_suffix_wins(hosts: list[str], prefix: str) -> None:
    matcher = ProviderMatcher({}, {host: host for host in hosts})
    for host in hosts:
        probe = f"{prefix}.{host}"
        claims = [one for one in hosts if expected(probe, one) == "group"]
        assert matcher.match("", probe) == max(claims, key=len)


@given(domain=st.text(), mx=st.text())
def test_no_text_is_refused(builtin: ProviderMatcher, domain: str, mx: str) -> None:
    found = builtin.match(domain, mx)
    assert found == OTHER or found in builtin.groups
    assert builtin.match(domain, mx) == found


def test_endless_hosts_are_nobodys(matcher: ProviderMatcher) -> None:
    assert matcher.match("x" * 10_000_000, "." * 10_000_000) == OTHER
    long = "a." * (MAX_HOST // 2) + "mx.alpha.test"
    assert matcher.match("", long) == OTHER
    assert matcher.match("", long[-MAX_HOST:]) == "alpha"


def test_the_cache_is_bounded_and_answers_stay_right() -> None:
    matcher = ProviderMatcher.from_csv(TABLE)
    for number in range(MAX_CACHED + 10):
        assert matcher.match(f"d{number}.test") == OTHER
    assert len(matcher._by_domain) == 10
    assert [*matcher._by_host] == [""]
    for number in range(MAX_CACHED + 9):
        assert matcher.match("alpha.test", f"mx{number}.beta.test") == "beta"
    assert len(matcher._by_host) == 10
    matcher.match("y" * 1_000, "z" * 1_000)
    assert len(matcher._by_domain) == 10
    assert len(matcher._by_host) == 10
    assert matcher.match("alpha.test") == "alpha"


@given(st.lists(st.tuples(NAMED, NAMED), max_size=20))
def test_many_are_matched_as_each_is(mails: list[tuple[str, str]]) -> None:
    events = [
        DeliveryEvent(
            event_id="e",
            event_time=0.0,
            source="s",
            outcome=Outcome.DELIVERED,
            recipient_domain=domain,
            mx_host=host,
        )
        for domain, host in mails
    ]
    matcher = ProviderMatcher.from_csv(TABLE)
    expected = [ProviderMatcher.from_csv(TABLE).match(*mail) for mail in mails]
    assert matcher.match_all(events) == expected
    assert matcher.match_all(events) == expected  # from the cache


def test_groups(matcher: ProviderMatcher) -> None:
    assert matcher.groups == {"alpha", "beta", "beta_hosted"}


def test_the_builtin_table(builtin: ProviderMatcher) -> None:
    assert len(builtin.groups) > 80
    assert OTHER not in builtin.groups
    for domain, mx, group in (
        ("gmail.com", "", "google_consumer"),
        ("gmail.com", "alt1.gmail-smtp-in.l.google.com.", "google_consumer"),
        ("company.test", "alt1.aspmx.l.google.com", "google_workspace"),
        ("hotmail.com", "", "microsoft_consumer"),
        ("outlook.com", "x.olc.protection.outlook.com", "microsoft_consumer"),
        ("company.test", "c.mail.protection.outlook.com", "microsoft_365"),
        ("company.test", "c.o-v1.mx.microsoft", "microsoft_365"),
        ("aol.com", "", "yahoo"),
        ("yahoo.co.jp", "", "yahoo_japan"),
        ("bank.test", "mx0a-1.pphosted.com", "proofpoint"),
        ("gmail.com.evil.test", "", OTHER),
        ("company.test", "notyahoodns.net", OTHER),
    ):
        assert builtin.match(domain, mx) == group


def test_a_group_may_have_several_rows_and_columns_any_order() -> None:
    matcher = ProviderMatcher.from_csv(
        "\ufeffmx_suffixes,group,recipient_domains\r\n,g,a.test\r\n.b.test,g,\r\n"
    )
    assert (matcher.match("a.test"), matcher.match("", "x.b.test")) == ("g", "g")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: add the columns group, recipient_domains, mx_suffixes"),
        ("group,mx_suffixes\n", "line 1: add the columns recipient_domains"),
        ("{h}a,a.test\n", "line 2: as many fields as columns"),
        ("{h}a,a.test,,b\n", "line 2: as many fields as columns"),
        ("{h}a,a.test,\n,b.test,\n", "line 3: '' cannot name a group"),
        ("{h}other,a.test,\n", "line 2: 'other' cannot name a group"),
        ("{h}A|B,a.test,\n", "line 2: 'A|B' cannot name a group"),
        ("{h}a,a.test,\nb,A.TEST,\n", "line 3: 'a.test' already is in 'a'"),
        ("{h}a,a.test;a.test,\n", "line 2: 'a.test' already is in 'a'"),
        ("{h}a,,.mx.test\n\nb,,mx.test\n", "line 4: 'mx.test' already is in 'a'"),
        ("{h}a,*.test,\n", "line 2: '*.test' is no host name"),
        ("{h}a,a..test,\n", "line 2: 'a..test' is no host name"),
        ("{h}a,,.\n", "line 2: '' is no host name"),
        ("{h}a,x@y.test,\n", "line 2: 'x@y.test' is no host name"),
        ('{h}a,"a.test\n', "line 2: unexpected end of data"),
    ],
)
def test_a_bad_table_names_its_line(text: str, message: str) -> None:
    header = "group,recipient_domains,mx_suffixes\n"
    with pytest.raises(ConfigError) as caught:
        ProviderMatcher.from_csv(text.replace("{h}", header))
    assert str(caught.value) == message


@given(st.text())
def test_any_text_is_a_table_or_a_config_error(text: str) -> None:
    for table in (text, "group,recipient_domains,mx_suffixes\n" + text):
        problem = ""
        try:
            groups = ProviderMatcher.from_csv(table).groups
        except ConfigError as caught:
            groups, problem = frozenset(), str(caught)
        assert OTHER not in groups
        assert problem == "" or problem.startswith("line ")
        assert "\n" not in problem

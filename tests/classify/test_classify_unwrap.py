"""Wrappings: whose words decide, with which code, after which command."""

import random

import pytest

from monitor.classify import unwrap as unwrapping
from monitor.classify.normal import plain
from monitor.classify.unwrap import COMMANDS, unwrap
from tests.bench.hostile import FRAGMENTS, WRAPPERS, hostile_texts, replies

CASES = [
    (
        "host mx.example.org[192.0.2.1] said: 550 5.1.1 no such user"
        " (in reply to RCPT TO command)",
        ("550 5.1.1 no such user", 550, "5.1.1", "rcpt"),
    ),
    (
        "192.0.2.1 does not like recipient. Remote host said: 550 unknown"
        " Giving up on 192.0.2.1.",
        ("550 unknown", 550, "", "rcpt"),
    ),
    (
        "mx.example.org [192.0.2.1] did not like our MAIL FROM: 553 5.1.8 bad",
        ("553 5.1.8 bad", 553, "5.1.8", "mail"),
    ),
    (
        "SMTP error from remote mail server after RCPT TO:<a@example.org>:"
        " host mx.example.org [192.0.2.1]: 550 5.1.1 unknown",
        ("550 5.1.1 unknown", 550, "5.1.1", "rcpt"),
    ),
    (
        "SMTP error from remote mail server after initial connection:"
        " host mx.example.org [192.0.2.1]: 554 no",
        ("554 no", 554, "", "connect"),
    ),
    (
        "... while talking to mx.example.org.: >>> RCPT To:<a@example.org>"
        " <<< 550 5.1.1 unknown",
        ("550 5.1.1 unknown", 550, "5.1.1", "rcpt"),
    ),
    (
        "5.1.0 - Unknown address error '5.2.2 <a@example.org>... full'"
        " (delivery attempts: 0)",
        ("5.2.2 addr full", 0, "5.2.2", ""),
    ),
    (
        "Server at example.org returned '450 4.4.316 Connection refused'",
        ("450 4.4.316 connection refused", 450, "4.4.316", ""),
    ),
    (
        "See the technical details below for more information."
        " The response from the remote server was: 550 5.1.1 unknown",
        ("550 5.1.1 unknown", 550, "5.1.1", ""),
    ),
    (
        "5.4.7 exceeded max time (last transfail: 452 4.2.2 over quota)",
        ("452 4.2.2 over quota", 452, "4.2.2", ""),
    ),
    (
        "SASL authentication failed; server mx.example.org[192.0.2.1] said: 525 off",
        (
            "sasl authentication failed server mx example org ip said 525 off",
            0,
            "",
            "",
        ),
    ),
    ("Diagnostic-Code: smtp;552 5.2.2 full", ("552 5.2.2 full", 552, "5.2.2", "")),
    (
        "mx1: 550-5.7.1 what a 550-5.7.1 policy 550 5.7.1 says, not 550",
        ("mx1 550 5.7.1 what a policy says not 550", 0, "5.7.1", ""),
    ),
    (
        "417 the number of delivery attempts is used up (delivery attempts: 14)",
        ("417 the number of delivery attempts is used up", 417, "", ""),
    ),
    ("550 #5.7.1 no", ("550 5.7.1 no", 550, "5.7.1", "")),
    ("550 sorry (#5.1.1)", ("550 sorry 5.1.1", 550, "5.1.1", "")),
    ("no code at all", ("no code at all", 0, "", "")),
    ("", ("", 0, "", "")),
]


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_wrappings(text: str, wanted: tuple[str, int, str, str]) -> None:
    reply = unwrap(plain(text))
    found = (reply.text.strip(), reply.code, reply.status, reply.command)
    assert found == wanted


def test_continued_lines_are_joined() -> None:
    reply = unwrap(plain("550-5.1.1 the account 550-5.1.1 that you 550 5.1.1 seek"))
    assert reply.text == " 550 5.1.1 the account that you seek "


def test_prose_is_no_wrapping() -> None:
    reply = unwrap(plain("the mail was returned to its sender"))
    assert not reply.wrapped
    assert reply.text == " the mail was returned to its sender "


def test_codes_of_the_event_stand_in() -> None:
    reply = unwrap(plain("mailbox odd"), 550, "5.2.9")
    assert (reply.code, reply.status) == (550, "5.2.9")
    assert reply.text == " 550 5.2.9 mailbox odd "


def test_codes_of_the_reply_win() -> None:
    reply = unwrap(plain("x said: 452 try later"), 550, "5.4.7")
    assert (reply.code, reply.status) == (452, "")
    reply = unwrap(plain("550 5.1.1 unknown"), 500, "5.0.0")
    assert (reply.code, reply.status) == (550, "5.1.1")


class Always(frozenset[str]):
    """Words of which every text has one."""

    def isdisjoint(self, _: object) -> bool:
        return False


def test_texts_that_are_not_searched_hold_no_phrase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(20_261_122)
    texts = [
        *replies(),
        *(rng.choice(WRAPPERS).replace("{}", text) for text in replies()),
        *("".join(rng.choices(FRAGMENTS, k=5)) for _ in range(500)),
        *hostile_texts(440, seed=3),
    ]
    known = [plain(text) for text in texts]
    found = [unwrap(words) for words in known]
    for guard in ("_START_WORDS", "_CLOSER_WORDS", "_STEP_WORDS"):
        monkeypatch.setattr(unwrapping, guard, Always())
    assert [unwrap(words) for words in known] == found
    assert sum(reply.wrapped for reply in found) > 1_000
    assert len({reply.command for reply in found}) == 1 + len(COMMANDS)


@pytest.mark.parametrize(
    "words", [" see rfc2821 4.1.3 ", " see rfc 2821 4.1.3 ", " see section 4.1.3 "]
)
def test_a_section_of_a_document_is_no_status(words: str) -> None:
    assert unwrap(f" 550 address literal{words}", 550).status == ""


def test_a_header_that_is_named_ends_no_reply() -> None:
    text = " 550 invalid address in reply to header "
    assert unwrap(text, 550).text == text
    assert unwrap(" 550 refused in reply to end of data command ").text == (
        " 550 refused "
    )

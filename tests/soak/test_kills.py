"""A server is killed at random moments under load: what had its 250 is there, and nothing by halves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.soak.__main__ import main
from benchmarks.soak.kills import run_kills
from benchmarks.soak.ledger import FaultKind, Ledger, Outcome
from benchmarks.soak.mails import MailMaker, SoakMail, identify, make_lines

A_SCORE = 20


def test_every_message_that_had_its_250_is_there_whole_after_a_score_of_kills(tmp_path: Path) -> None:
    report = run_kills(tmp_path, A_SCORE, seed=5)
    assert report.faults == []
    assert report.complaints == ""
    assert report.ledger.outcomes[Outcome.TAKEN] > A_SCORE
    assert report.ledger.outcomes[Outcome.REFUSED] == 0
    assert report.ledger.found >= report.ledger.outcomes[Outcome.TAKEN]


@pytest.mark.parametrize(
    ("careless", "kind"),
    [("SaysOkTooEarly", FaultKind.LOST), ("WritesWhereReadersLook", FaultKind.DAMAGED)],
)
def test_a_handler_that_breaks_the_promise_is_found_out(
    tmp_path: Path, careless: str, kind: FaultKind
) -> None:
    def kinds_of_faults() -> Iterator[FaultKind]:
        for seed in range(10):  # one will do, nearly always
            folder = tmp_path / str(seed)
            folder.mkdir()
            report = run_kills(folder, 2, seed, module=f"tests.soak.careless:{careless}")
            yield from (fault.kind for fault in report.faults)

    assert kind in kinds_of_faults()


def test_the_command_reports_and_ends_with_zero(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.soak.__main__.WORKSHOP", tmp_path)
    assert main(["--kills", "1", "--seed", "3"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("\n1 kills; copies sent: ")
    assert "0 faults" in told.out
    assert "1 of 1 kills" in told.err


# -- the books ---------------------------------------------------------------------------------------


def maker_of_mails() -> MailMaker:
    return MailMaker(random.Random(1), "test", ["one@x", "two@x"], make_lines(random.Random(2)))


@pytest.fixture
def mail() -> SoakMail:
    return maker_of_mails().make()


def stored(mail: SoakMail, content: bytes | None = None) -> bytes:
    """The file that a delivery to all recipients makes."""
    body = mail.data.replace(b"\r\n", b"\n") if content is None else content
    trace = "".join(f"Delivered-To: {each}\n" for each in mail.recipients)
    return f"Return-Path: <a@x>\n{trace}Received: from x\n\tby y;\n\tnow\n".encode() + body


def faults(mail: SoakMail, outcomes: list[Outcome], files: list[bytes]) -> set[FaultKind]:
    """What is wrong in the books, whichever half was entered first."""
    found = []
    for files_first in (False, True):
        ledger = Ledger()
        for what in ("files", "outcomes") if files_first else ("outcomes", "files"):
            if what == "files":
                for file in files:
                    told = identify(file)
                    ledger.note_found(told.copies, told.digest, "somewhere")
            else:
                for outcome in outcomes:
                    note(ledger, mail, outcome)
        found.append({fault.kind for fault in ledger.faults()})
    assert found[0] == found[1]
    return found[0]


def note(ledger: Ledger, mail: SoakMail, outcome: Outcome) -> None:
    """Enter an attempt that ended alike for all recipients."""
    for copy in mail.copies():
        ledger.note_attempt(copy, mail.digest, outcome)


TAKEN, REFUSED, CUT_OFF, UNANSWERED = Outcome


@pytest.mark.parametrize(
    ("outcomes", "copies"),
    [
        ([TAKEN], 1),
        ([REFUSED], 0),
        ([CUT_OFF], 0),
        ([UNANSWERED], 0),
        ([UNANSWERED], 1),
        ([UNANSWERED, TAKEN], 1),
        ([UNANSWERED, TAKEN], 2),
        ([CUT_OFF, REFUSED, TAKEN], 1),
    ],
)
def test_books_that_agree_have_no_faults(mail: SoakMail, outcomes: list[Outcome], copies: int) -> None:
    assert faults(mail, outcomes, [stored(mail)] * copies) == set()


@pytest.mark.parametrize(
    ("outcomes", "copies", "kind"),
    [
        ([TAKEN], 0, FaultKind.LOST),
        ([UNANSWERED, TAKEN], 0, FaultKind.LOST),
        ([TAKEN], 2, FaultKind.DOUBLED),
        ([REFUSED], 1, FaultKind.DOUBLED),
        ([CUT_OFF], 1, FaultKind.DOUBLED),
        ([UNANSWERED], 2, FaultKind.DOUBLED),
        ([UNANSWERED, TAKEN], 3, FaultKind.DOUBLED),
    ],
)
def test_a_copy_too_few_or_too_many_is_found(
    mail: SoakMail, outcomes: list[Outcome], copies: int, kind: FaultKind
) -> None:
    assert faults(mail, outcomes, [stored(mail)] * copies) == {kind}


def test_one_octet_that_changed_or_is_missing_is_found(mail: SoakMail) -> None:
    whole = mail.data.replace(b"\r\n", b"\n")
    for damaged in (whole[:-1], whole + b"\n", whole[:-2] + b"#\n", whole.replace(b"\n.", b"\n..", 1)):
        assert faults(mail, [TAKEN], [stored(mail, damaged)]) == {FaultKind.DAMAGED}


def test_a_file_that_does_not_say_what_it_is_is_found(mail: SoakMail) -> None:
    for content in (b"", stored(mail, b""), stored(mail, b"X-Soak: test"), stored(mail, b"Subject: x\n\n")):
        assert FaultKind.DAMAGED in faults(mail, [], [content])


def test_a_message_that_no_client_sent_is_found(mail: SoakMail) -> None:
    assert faults(mail, [], [stored(mail)]) == {FaultKind.UNKNOWN}


def test_only_the_recipient_without_his_copy_is_named() -> None:
    maker = maker_of_mails()
    mail = next(made for made in iter(maker.make, None) if len(made.recipients) == 2)
    ledger = Ledger()
    note(ledger, mail, TAKEN)
    ledger.note_found(mail.copies()[:1], mail.digest, "somewhere")
    assert [(fault.kind, fault.copy) for fault in ledger.faults()] == [(FaultKind.LOST, mail.copies()[1])]


def test_copies_that_are_there_again_as_they_may_be_are_counted(mail: SoakMail) -> None:
    ledger = Ledger()
    note(ledger, mail, UNANSWERED)
    note(ledger, mail, TAKEN)
    for _ in range(2):
        ledger.note_found(mail.copies(), mail.digest, "somewhere")
    assert list(ledger.faults()) == []
    assert ledger.repeated == len(mail.copies())


def test_no_two_messages_are_alike_and_each_is_stuffed_where_it_must_be() -> None:
    maker = maker_of_mails()
    mails = [maker.make() for _ in range(50)]
    assert len({mail.digest for mail in mails}) == 50
    assert len({len(mail.data) for mail in mails}) > 20
    for mail in mails:
        wire = mail.on_the_wire()
        assert wire.endswith(b"\r\n.\r\n")
        assert wire.count(b"\r\n.\r\n") == 1
        assert wire.replace(b"\r\n..", b"\r\n.")[:-3] == mail.data
        assert b"\n" not in mail.data.replace(b"\r\n", b"")

"""From a queued mail to its mailer, through a real PostgreSQL: once its cause is committed, and not too late."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from strata_core.mail.commands import queue_mail
from strata_core.mail.links import LinkKey, hash_link_token
from strata_core.mail.sending import purge_mails
from strata_core.mail.texts import TEXTS, MailKind
from strata_core.ports.mailer import Mail
from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_datamodel.errors import DeniedError, InvalidError
from strata_datamodel.tables.mails import mails
from strata_workers.postman import Postman

KEY = LinkKey(b"l" * 32)
SENT = Delivery(DeliveryStatus.SENT, "accepted")
PARAMETERS = {"organization": "Acme\r\nBcc: all@x.test", "inviter": "olga", "role": "admin", "expires_at": "soon"}


@dataclass
class ScriptedMailer:
    script: list[Delivery] = field(default_factory=list)
    sent: list[Mail] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, mail: Mail) -> Delivery:
        with self.lock:
            self.sent.append(mail)
            return self.script.pop(0) if self.script else SENT


@pytest.fixture
def mailer():
    return ScriptedMailer()


@pytest.fixture
def postman(system_units, mailer):
    postman = Postman(system_units, mailer, KEY, "https://strata.test/", CollectorRegistry())
    yield postman
    postman.close()


@pytest.fixture
def queue(units, two_organizations):
    def work(**options):
        with units.organization(two_organizations.first) as uow:
            return queue_mail(
                uow, KEY, MailKind.INVITATION, to="ada@x.test", parameters=PARAMETERS,
                organization_id=two_organizations.first, **options,
            )  # fmt: skip

    return work


def rows(database):
    return database.rows("SELECT * FROM mails ORDER BY id")


def test_the_mail_that_arrives_has_the_link_whose_hash_was_kept(postman, mailer, queue, database):
    queued = queue()
    assert postman.step() == 1
    assert postman.step() == 0
    (mail,) = mailer.sent
    link = next(line for line in mail.text.splitlines() if line.startswith("https://"))
    address, _, token = link.partition("#token=")
    assert address == "https://strata.test/invitations/accept"
    assert hash_link_token(token) == queued.token_hash
    assert token not in str(rows(database))
    assert (rows(database)[0]["state"], mail.mail_id) == ("sent", str(queued.mail_id))


def test_no_parameter_begins_another_header(postman, mailer, queue):
    queue()
    postman.step()
    assert "\n" not in mailer.sent[0].subject
    assert "\r" not in mailer.sent[0].subject


def test_a_mail_whose_cause_is_rolled_back_is_never_sent(postman, units, two_organizations):
    def change_ones_mind():
        with units.organization(two_organizations.first) as uow:
            ids = {"organization_id": two_organizations.first}
            queue_mail(uow, KEY, MailKind.INVITATION, to="a@x.test", parameters=PARAMETERS, **ids)
            raise InvalidError("changed my mind")

    with pytest.raises(InvalidError):
        change_ones_mind()
    assert postman.step() == 0


def test_what_may_have_arrived_is_sent_again_under_the_same_id(postman, mailer, queue, database, shifted_clock):
    mailer.script = [Delivery(DeliveryStatus.UNKNOWN, "reset"), Delivery(DeliveryStatus.RETRY, "smtp_4xx")]
    queue()
    for _ in range(3):
        postman.step()
        shifted_clock.advance(timedelta(seconds=61))
    assert len(mailer.sent) == 3
    assert len({(mail.mail_id, mail.text, mail.written_at) for mail in mailer.sent}) == 1
    assert rows(database)[0]["state"] == "sent"


def test_a_mail_left_behind_by_a_dead_process_is_taken_over(postman, queue, database, shifted_clock):
    queue()
    database.run("UPDATE mails SET state = 'sending', attempts = 1, deadline_at = now() + interval '120 seconds'")
    assert postman.step() == 0
    shifted_clock.advance(timedelta(seconds=121))
    assert postman.step() == 1
    assert rows(database)[0]["state"] == "sent"


def test_a_link_that_has_expired_is_not_sent(postman, mailer, queue, database, units, two_organizations, shifted_clock):
    with units.organization(two_organizations.first) as uow:
        expires_at = uow.now() + timedelta(hours=1)
    queue(expires_at=expires_at)
    shifted_clock.advance(timedelta(hours=2))
    postman.step()
    assert mailer.sent == []
    assert (rows(database)[0]["state"], rows(database)[0]["last_reason"]) == ("failed", "expired")


def test_a_mail_refused_for_good_is_not_tried_again(postman, mailer, queue, database, shifted_clock):
    mailer.script = [Delivery(DeliveryStatus.FAILED, "smtp_5xx", "550 no such mailbox")]
    queue()
    for _ in range(2):
        postman.step()
        shifted_clock.advance(timedelta(hours=1))
    assert len(mailer.sent) == 1
    assert rows(database)[0]["last_detail"] == "550 no such mailbox"


def test_several_postmen_send_each_mail_once(system_units, mailer, queue, database):
    for _ in range(10):
        queue()
    postmen = [Postman(system_units, mailer, KEY, "https://s.test", CollectorRegistry()) for _ in range(3)]
    threads = [threading.Thread(target=lambda p=postman: [p.step() for _ in range(5)]) for postman in postmen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for postman in postmen:
        postman.close()
    assert len({mail.mail_id for mail in mailer.sent}) == len(mailer.sent) == 10
    assert {row["state"] for row in rows(database)} == {"sent"}


def test_sent_mails_are_forgotten_after_their_time(postman, queue, database, shifted_clock, system_units):
    def purged() -> int:
        with system_units.system() as uow:
            return purge_mails(uow, limit=10)

    queue()
    postman.step()
    shifted_clock.advance(timedelta(days=29))
    assert purged() == 0
    shifted_clock.advance(timedelta(days=2))
    assert purged() == 1
    assert rows(database) == []


@pytest.mark.parametrize("kind", MailKind)
def test_every_kind_of_mail_has_a_text_without_gaps(kind):
    names = {"organization", "inviter", "role", "expires_at", "new_email", "link", "what", "at", "where"}
    text = TEXTS[kind]
    filled = text.subject.format_map(dict.fromkeys(names, "x")) + text.body.format_map(dict.fromkeys(names, "x"))
    assert "{" not in filled
    assert ("{link}" in text.body) == (text.page is not None)


def test_the_app_reads_no_mails(units, queue, two_organizations):
    queue()
    with pytest.raises(DeniedError), units.organization(two_organizations.first) as uow:
        uow.execute(select(mails.c.id))

"""What one attempt means for a notification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.notifying.rules import BACKOFF_S, NotificationState, after_attempt
from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_datamodel.limits import NOTIFICATION_ATTEMPTS


def test_a_sent_notification_is_done():
    step = after_attempt(Delivery(DeliveryStatus.SENT, "accepted"), 1)
    assert (step.state, step.due_in_s) == (NotificationState.SENT, None)


def test_a_refusal_for_good_is_not_tried_again():
    step = after_attempt(Delivery(DeliveryStatus.FAILED, "http_4xx"), 1)
    assert (step.state, step.due_in_s) == (NotificationState.FAILED, None)


def test_what_may_have_arrived_stays_visible_as_unknown_and_is_sent_again():
    step = after_attempt(Delivery(DeliveryStatus.UNKNOWN, "timeout"), 1)
    assert (step.state, step.due_in_s) == (NotificationState.UNKNOWN, BACKOFF_S[0])


def test_the_receiver_may_ask_for_more_time_but_not_for_ever():
    patient = after_attempt(Delivery(DeliveryStatus.RETRY, "http_5xx", retry_after_s=45), 1)
    greedy = after_attempt(Delivery(DeliveryStatus.RETRY, "http_5xx", retry_after_s=10**9), 1)
    assert patient.due_in_s == 45
    assert greedy.due_in_s == BACKOFF_S[-1]


@given(st.sampled_from([DeliveryStatus.RETRY, DeliveryStatus.UNKNOWN]), st.integers(1, NOTIFICATION_ATTEMPTS * 2))
def test_attempts_end(status, attempts):
    step = after_attempt(Delivery(status, "timeout"), attempts)
    assert (step.due_in_s is None) == (attempts >= NOTIFICATION_ATTEMPTS)


@pytest.mark.parametrize("attempts", range(1, NOTIFICATION_ATTEMPTS - 1))
def test_pauses_never_shrink(attempts):
    delivery = Delivery(DeliveryStatus.RETRY, "timeout")
    now, later = after_attempt(delivery, attempts).due_in_s, after_attempt(delivery, attempts + 1).due_in_s
    assert now is not None
    assert later is not None
    assert now <= later

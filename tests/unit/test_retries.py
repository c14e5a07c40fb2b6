"""Retries and names: how often, how patiently, and what a message says."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import BadInput, Retry, RetryLater, minutes
from core.errors import ServiceUnavailable
from core.tasks import TaskKey, Wakeup


def test_retries_wait_longer_each_time_but_not_for_ever():
    retry = Retry(delay=timedelta(seconds=5), longest=timedelta(minutes=5), jitter=0)
    waits = [retry.wait(n).total_seconds() for n in range(1, 10)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_wait_is_known_however_often_it_failed():
    """A service may be away for days, and its tasks are tried again every five minutes."""
    retry = Retry(delay=timedelta(seconds=5), longest=timedelta(minutes=5), jitter=0)
    assert retry.wait(100_000) == timedelta(minutes=5)


@given(st.integers(1, 2_000))
def test_waits_are_spread_so_that_a_herd_disperses(failures):
    retry = Retry(delay=timedelta(seconds=10), backoff=1, jitter=0.25)
    assert 7.5 <= retry.wait(failures).total_seconds() <= 12.5


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (ConnectionError(), True),
        (TimeoutError(), True),
        (RuntimeError(), True),
        (ServiceUnavailable("away"), True),
        (RetryLater(minutes(1), "not yet"), True),
        (BadInput("wrong"), False),
        (ValueError(), False),
        (TypeError(), False),
        (KeyError(), False),
        (UnicodeDecodeError("utf-8", b"", 0, 1, ""), False),
    ],
)
def test_only_errors_that_may_pass_are_tried_again(error, helps):
    """R23: one policy, by exception."""
    assert Retry().may_help(error) is helps
    assert Retry().allows(error, 1) is helps
    assert not Retry(attempts=1).allows(error, 1)


def test_a_stage_may_know_better_which_errors_pass():
    stubborn = Retry(always=(BadInput,), never=(ConnectionError,))
    assert stubborn.may_help(BadInput("the catalogue is rebuilt at night"))
    assert not stubborn.may_help(ConnectionResetError())
    assert stubborn.may_help(ValueError())


@given(st.integers(1, 2**62), st.integers(0, 99), st.integers(-1, 2**31 - 1), st.integers(0, 10**6))
def test_a_message_names_a_task_and_an_attempt_and_nothing_else(run, stage, idx, attempt):
    """R18, R32, R33: small, and the same when it is read."""
    wakeup = Wakeup(TaskKey(run, stage, idx), attempt)
    assert Wakeup.decode(wakeup.encode()) == wakeup
    assert TaskKey.parse(str(wakeup.key)) == wakeup.key
    assert len(wakeup.encode()) < 64

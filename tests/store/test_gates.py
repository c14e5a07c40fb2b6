"""Gates: a stage asks, a person decides, once."""

from functools import partial

import pytest

from core import Decision
from core.errors import Conflict
from core.states import JobStatus
from core.tasks import TaskKey
from tests.store.desk import Stage, at_once
from tests.store.sample_jobs import Gated, Line

YES = Decision(approved=True, by="ada", note="lovely")
NO = Decision(approved=False, by="ada", note="too dark")


def asked(desk):
    """A job that waits for a person, and the key of its question."""
    run = desk.submit(Gated())
    desk.work()
    return run, TaskKey(run.run, 1, 0)


def test_a_gate_asks_its_question_and_holds_the_job(desk):
    run, key = asked(desk)
    task = desk.task(key)
    assert (task.status, task.result) == ("waiting", "Is 7 good?")
    assert desk.stage(run.run, 1) == Stage("open", 1, None)
    assert desk.status(run.run) == "processing"
    assert desk.whats(run.job_id)[-1] == "decision_needed"


def test_an_approved_gate_lets_the_job_go_on_and_hands_on_the_decision(desk):
    run, key = asked(desk)
    desk.machine.decide_gate(key, YES)
    assert desk.task(key).result == {"approved": True, "by": "ada", "note": "lovely"}
    desk.work()
    assert desk.finished(run.run)[:2] == ("completed", "ada")
    approved = next(e for e in desk.events(run.job_id) if e.what == "gate_approved")
    assert approved.data == {"by": "ada", "note": "lovely"}


def test_a_rejected_gate_fails_the_job_and_says_who(desk):
    run, key = asked(desk)
    desk.machine.decide_gate(key, NO)
    end = desk.finished(run.run)
    assert end.status == "failed"
    assert (end.error["code"], end.error["message"]) == ("rejected", "rejected by ada: too dark")
    assert desk.stage(run.run, 2) is None


def test_a_gate_is_settled_once(desk):
    """R85: the second person is told, and nothing changes."""
    run, key = asked(desk)
    desk.machine.decide_gate(key, YES)
    before = desk.events(run.job_id)
    with pytest.raises(Conflict, match="may have been settled already"):
        desk.machine.decide_gate(key, NO)
    assert desk.events(run.job_id) == before


def test_of_people_who_decide_at_once_one_is_heard(desk):
    """R85."""
    run, key = asked(desk)
    decisions = [Decision(approved=n % 2 == 0, by=str(n)) for n in range(8)]
    heard = at_once(*(partial(desk.store.decide_gate, key, decision) for decision in decisions))
    assert sorted(heard) == [False] * 7 + [True]
    gates = [what for what in desk.whats(run.job_id) if what.startswith("gate_")]
    assert len(gates) == 1


def test_only_a_task_that_asked_can_be_decided(desk):
    run = desk.submit(Line())
    claim = desk.one()
    assert not desk.store.decide_gate(claim.key, YES)
    assert not desk.store.decide_gate(TaskKey(run.run, 7, 0), YES)
    assert desk.task(claim.key).status == "processing"


def test_a_gate_of_a_job_that_was_cancelled_cannot_be_settled(desk):
    """R12."""
    run, key = asked(desk)
    with desk.store.turn(run.run) as turn:
        turn.finish(JobStatus.CANCELLED)
    desk.machine.sweep(run.run)
    with pytest.raises(Conflict):
        desk.machine.decide_gate(key, YES)
    assert desk.status(run.run) == "cancelled"

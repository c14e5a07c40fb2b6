"""Takes the guards out of the product's statements, one after the other, and sees a promise break."""

import pytest

from tests.faults import test_interleaved_control as control
from tests.faults import test_interleaved_owners as owners
from tests.faults import test_interleaved_turns as turns
from tests.faults import test_interleavings as runs
from tests.faults.stepped import Guard, Orders
from tests.support.interleave import Broken

SETTLE_FENCE = "and o.attempt = case when t.status = 'processing' and t.session = %(session)s then t.attempt end"
LOCKED_STAGE = Guard("stages/lock_stage", "pg_advisory_xact_lock(", "(")
LOCKED_RUN = Guard("jobs/lock_run", "for update")
STAGE_FIRST = Guard(
    "stages/lock_stage",
    "pg_advisory_xact_lock(hashtextextended('coremachine.stage:' || %(run_id)s || ':' || %(stage)s, 0))",
    "from app.stages where run_id = %(run_id)s::bigint and stage = %(stage)s::smallint for update",
)
LOCKED_LANE = Guard("admission/lock_lane", "pg_advisory_xact_lock(", "(")
WAITING = Guard(
    "admission/admit_run", "and not admitted and finished_at is null and status = 'queued'"
)
OPPOSITE = "order by case when (select min(idx) from given) = 0 then job_id end, job_id desc for"
RUNNING = "and s.status in ('expanding', 'open')"
STEERED_RUN = Guard("control/lock_current_run", "for update of r")
SEEN_RUN = Guard(
    "jobs/start_runs",
    "and status <> 'processing' and run_id not in (select run_id from started)",
    "and false",
)
SWITCH = Guard("stages/close_stage", "and status in ('expanding', 'open')")

GUARDS = {
    "the run's lock, for branches": (
        runs.test_two_branches_close_and_their_successor_opens, [LOCKED_RUN]),
    "the order of the locks of a close": (
        runs.test_two_branches_fail, [STAGE_FIRST]),
    "the order of the locks of events": (
        runs.test_failures_of_many_jobs_written_in_opposite_order,
        [Guard("events/add_events", "order by job_id for", OPPOSITE)]),
    "every lock of a close and its switch": (
        runs.test_two_who_close_a_stage,
        [LOCKED_STAGE, LOCKED_RUN, Guard("stages/get_closable", "for update"), SWITCH]),
    "the state of a stage that closes": (
        runs.test_a_new_run_beside_the_old_runs_last_attempt,
        [Guard("stages/get_closable", RUNNING), SWITCH]),
    "the fence of an outcome, against a cancel": (
        owners.test_a_cancelled_run_between_a_claim_and_an_outcome,
        [Guard("tasks/settle_tasks", SETTLE_FENCE)]),
    "the fence of an outcome, against the next owner": (
        owners.test_a_lost_lease_between_the_old_owner_and_the_next,
        [Guard("tasks/settle_tasks", SETTLE_FENCE)]),
    "the fence of an outcome, against itself": (
        owners.test_an_outcome_written_twice_at_once, [Guard("tasks/settle_tasks", SETTLE_FENCE)]),
    "the locks of a claim": (
        owners.test_two_claim_the_same_tasks, [Guard("tasks/claim_due", "for update skip locked")]),
    "the fence of a message": (
        owners.test_a_message_that_comes_twice_while_the_first_one_runs,
        [Guard("tasks/claim_named", "and m.attempt = case when t.status = 'queued' then t.attempt end")]),
    "the owner of what is given back": (
        owners.test_a_task_given_back_while_its_outcome_is_written,
        [Guard("tasks/give_back", "and g.attempt = case when t.status = 'processing' and t.session = %(session)s then t.attempt end")]),
    "a planner's fence": (
        runs.test_a_planner_that_was_given_up_beside_the_one_that_took_over,
        [Guard("tasks/hold_planning", "and t.attempt = %(attempt)s and t.session = %(session)s")]),
    "the lock of a submission": (
        runs.test_a_job_is_forced_by_two_at_once,
        [Guard("jobs/lock_job", "pg_advisory_xact_lock(", "(")]),
    "the locks of a turn": (
        turns.test_an_end_beside_a_more_urgent_submission, [LOCKED_LANE]),
    "the locks of a key that job types share": (
        turns.test_two_job_types_that_share_a_key, [LOCKED_LANE]),
    "the state of a run that is let in": (
        turns.test_a_waiting_run_is_cancelled_while_its_turn_comes, [WAITING]),
    "the time of a run, seen under its lock": (
        turns.test_a_run_ends_in_the_moment_its_time_is_up,
        [Guard("admission/is_overdue", "and finished_at is null")]),
    "the run's lock, for an operator": (
        control.test_cancel_against_complete, [STEERED_RUN, Guard("stages/get_closable", RUNNING), SWITCH]),
    "the job's lock, for two operators": (
        control.test_resubmit_against_resubmit_and_submit,
        [Guard("jobs/lock_job", "pg_advisory_xact_lock(", "("), STEERED_RUN]),
    "the look of a claim at its run, against a pause": (
        control.test_nothing_is_claimed_of_a_job_that_has_been_paused, [SEEN_RUN]),
    "the look of a claim at its run, against a cancel": (
        control.test_nothing_is_claimed_of_a_job_that_has_been_cancelled, [SEEN_RUN]),
    "the run's lock, for a person at a gate": (
        control.test_cancel_against_approve,
        [Guard("tasks/decide_gate", "and finished_at is null for share")]),
    "a planner's stage": (
        control.test_cancel_against_planning,
        [Guard("tasks/hold_planning", "and s.status = 'expanding'"),
         Guard("stages/open_stage", "and s.status = 'expanding'")]),
    "the mark of a job that is deleted": (
        control.test_delete_against_resubmit_and_submit,
        [Guard("control/lock_current_run", "j.deleting_at is not null as deleting", "false as deleting")]),
    "the state of a gate": (
        owners.test_a_gate_approved_and_rejected_at_once,
        [Guard("tasks/decide_gate", "and status = 'waiting' and run_at = 'infinity'")]),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDS)
def test_without_its_guard_an_order_breaks_the_promise(name, database):
    """Method 4: a race test must fail when the lock is removed."""
    scene, taken = GUARDS[name]
    orders = Orders(database, taken)
    with pytest.raises(Broken):
        scene(orders)

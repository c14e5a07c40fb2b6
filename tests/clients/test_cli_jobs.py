"""The command against the running system: submit jobs, look at them, follow them."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from coremachine_client import Client
from tests.clients.cli import Cli, command
from tests.http.house import House, serving
from tests.http.sample_jobs import Choosy, Failing, Relay, Squares


def fresh() -> str:
    return uuid4().hex


# submit


def test_a_job_is_submitted_with_flags_and_its_result_is_the_output(cli: Cli) -> None:
    done = cli("submit", "hello_world", "--names", "Ada", "--names", fresh())
    assert (done.code, done.out) == (0, "2\n")
    assert "completed" in done.err


def test_for_scripts_there_is_one_document_and_nothing_else(cli: Cli) -> None:
    done = cli("submit", "hello_world", "--names", fresh(), "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.document["status"], done.document["result"]) == ("completed", 1)


def test_without_waiting_the_id_comes_at_once(cli: Cli) -> None:
    done = cli("submit", "hello_world", "--names", fresh(), "--no-wait", "--json")
    assert done.code == 0
    assert done.document["is_new"] is True
    assert len(done.document["job_id"]) == 64


def test_a_job_that_fails_is_the_exit_code(cli: Cli) -> None:
    done = cli("submit", "hello_world", "--names", fresh(), "--failure-rate", 1)
    assert (done.code, done.out) == (1, "")
    assert "failed in  greet" in done.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("order.json", '{"names": ["NAME", "2024-01-01"]}'),
        ("order.yaml", "names:\n- NAME\n- 2024-01-01  # stays text\n"),
    ],
)
def test_parameters_come_from_a_file(cli: Cli, tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text.replace("NAME", fresh()))
    done = cli("submit", "hello_world", "--from", file, "--json")
    assert (done.code, done.document["result"]) == (0, 2)
    assert done.document["parameters"]["names"][1] == "2024-01-01"


def test_parameters_come_from_stdin_and_flags_win(cli: Cli) -> None:
    told = json.dumps({"names": [fresh()], "failure_rate": 1.0})
    done = cli("submit", "hello_world", "--from", "-", "--failure-rate", 0, "--json", text=told)
    assert (done.code, done.document["parameters"]["failure_rate"]) == (0, 0.0)


def test_a_dry_run_shows_the_plan_and_begins_nothing(cli: Cli) -> None:
    done = cli("submit", "hello_world", "--names", fresh(), "--dry-run")
    assert done.code == 0
    assert "would begin a new job" in done.out
    assert "greet" in done.out
    again = cli("submit", "hello_world", "--names", fresh(), "--dry-run", "--json")
    assert again.document["exists"] is False


def test_the_help_of_a_job_type_teaches_its_parameters(cli: Cli) -> None:
    done = cli("submit", "process_raster", "--help")
    assert done.code == 0
    for told in ("--source", "--tiers [visualization|analysis|archive]", "required", "publish:"):
        assert told in done.out, told


def test_submit_lists_the_job_types(cli: Cli) -> None:
    for done in (cli("submit").err, cli("submit", "--help").out):
        assert "process_raster" in done
        assert "hello_world" in done


def test_what_is_missing_or_wrong_is_named(cli: Cli) -> None:
    missing = cli("submit", "process_raster", "--collection", "demo")
    assert (missing.code, "--source must be given" in missing.err) == (2, True)
    wrong = cli("submit", "process_raster", "--source", "nowhere", "--collection", "demo")
    assert wrong.code == 2
    assert "source: " in wrong.err
    no_number = cli("submit", "fan_out_probe", "--n", "many")
    assert no_number.code == 2
    unknown = cli("submit", "hello_worl")
    assert (unknown.code, "Did you mean 'hello_world'" in unknown.err) == (3, True)


def test_each_kind_of_parameter_has_its_flag(house: House, tmp_path: Path) -> None:
    words = "--count 3 --ratio 0.25 --flag --label y --mode good --names a --names b --no-wait"
    with serving(house.app()) as server:
        done = command(server, tmp_path)("submit", "choosy", *words.split(), "--json")
    assert done.code == 0, done.err
    wanted = Choosy(count=3, ratio=0.25, flag=True, label="y", mode="good", names=["a", "b"])
    assert done.document["job_id"] == wanted.fingerprint


# follow


def test_watching_tells_the_events_and_ends_as_the_job_does(cli: Cli) -> None:
    job = cli("submit", "hello_world", "--names", fresh(), "--no-wait", "--json").document
    done = cli("watch", job["job_id"], "--after", 0)
    assert done.code == 0
    assert "job_submitted" in done.out
    assert "completed 100%" in done.err
    scripted = cli("watch", job["job_id"][:16], "--after", 0, "--json")
    numbers = [event["number"] for event in scripted.lines]
    assert (numbers, scripted.err) == (list(range(1, len(numbers) + 1)), "")


def test_waiting_has_an_end(house: House, tmp_path: Path) -> None:
    with serving(house.app()) as server:
        cli = command(server, tmp_path)
        done = cli("submit", "squares", "--n", 3, "--timeout", 0.1)
        assert (done.code, "still queued" in done.err) == (7, True)


# look


def test_jobs_are_listed_shown_and_their_parts_too(house: House, tmp_path: Path) -> None:
    job_id = house.finish(Relay(n=3, bad=1))
    house.submit(Squares(n=2))
    with serving(house.app()) as server:
        cli = command(server, tmp_path)
        assert [job["job_type"] for job in cli("list", "--json").lines] == ["squares", "relay"]
        listed = cli("list", "--type", "relay").out.splitlines()
        assert [listed[0].split()[:3], listed[1].split()[:3]] == [
            ["JOB", "TYPE", "STATUS"],
            [job_id[:12], "relay", "completed_with_errors"],
        ]
        assert cli("list", "--status", "failed").err == "There are no such jobs.\n"
        assert "double" in cli("show", job_id[:8]).out
        assert cli("show", job_id, "--json").document["result"] == 6
        failed = cli("tasks", job_id, "--status", "failed", "--json").lines
        assert [task["index"] for task in failed] == [1]
        assert "ValueError: 1 cannot be doubled" in cli("tasks", job_id, failed[0]["task_id"]).out
        assert "task_failed" in cli("events", job_id).out
        assert cli("result", job_id).out == "6\n"
        assert cli("watch", job_id).code == 9


def test_a_result_is_written_to_a_file(house: House, tmp_path: Path) -> None:
    job_id = house.finish(Squares(n=300))
    with serving(house.app()) as server:
        done = command(server, tmp_path)("result", job_id, "-o", tmp_path / "squares.json")
    assert done.code == 0
    assert len(json.loads((tmp_path / "squares.json").read_text())) == 300


def test_why_a_job_failed_is_shown(house: House, tmp_path: Path) -> None:
    job_id = house.finish(Failing())
    with serving(house.app()) as server:
        cli = command(server, tmp_path)
        assert "there is no coordinate system" in cli("show", job_id).out
        refused = cli("result", job_id)
        assert (refused.code, refused.out) == (4, "")


def test_an_id_that_many_jobs_share_is_asked_to_be_longer(house: House, tmp_path: Path) -> None:
    ids = [house.submit(Squares(n=n)) for n in range(17)]
    shared = next(a[0] for a in ids if sum(b[0] == a[0] for b in ids) > 1)
    with serving(house.app()) as server:
        cli = command(server, tmp_path)
        assert cli("show", shared).code == 2
        assert cli("show", "0" * 64).code == 3
        assert cli("show", "not-an-id").code == 3


def test_types_tell_what_can_be_submitted(cli: Cli) -> None:
    assert "hello_world" in cli("types").out
    assert "failure_rate" in cli("types", "hello_world").out
    assert cli("types", "hello_world", "--json").document["job_type"] == "hello_world"


def test_a_refusal_is_json_for_scripts_and_stdout_stays_clean(cli: Cli, client: Client) -> None:
    done = cli("show", "0" * 64, "--json")
    assert (done.code, done.out) == (3, "")
    assert json.loads(done.err)["error"]["code"] == "job_not_found"

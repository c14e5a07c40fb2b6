"""How a process logs: the place of every line, and no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from core.queues import LIGHT
from core.tasks import TaskKey
from core.watching.redaction import redacted
from core.watching.whereabouts import Mark, at_request, at_task
from triggers import logs
from triggers.logs import TEXT, JsonFormatter, TextFormatter

MARK = Mark("ab12", "line", 2, "warp", LIGHT, TaskKey(7, 0, 3), 4)


def record(message: str, *values: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("lib", logging.INFO, "lib.py", 1, message, values, None)
    vars(made).update(extra)
    return made


def told(made: logging.LogRecord, trace: str | None = None) -> dict[str, object]:
    return json.loads(JsonFormatter(lambda: trace).format(made))


@pytest.fixture
def restored() -> Iterator[None]:
    """The logging that pytest has set up comes back."""
    names = ("", "coremachine.task", *logs.QUIET)
    before = [(logging.getLogger(n), logging.getLogger(n).level) for n in names]
    handlers = list(logging.getLogger().handlers)
    logging.getLogger().handlers = []
    yield
    logging.getLogger().handlers = handlers
    for logger, level in before:
        logger.setLevel(level)


def test_a_line_says_what_it_is_about() -> None:
    with at_task(MARK):
        line = told(record("warped %d", 3))
    expected = {
        "level": "INFO",
        "logger": "lib",
        "message": "warped 3",
        "job": "ab12",
        "job_type": "line",
        "run": 2,
        "stage": "warp",
        "task": "7-0-3",
        "attempt": 4,
    }
    assert expected.items() <= line.items()
    assert str(line["time"]).endswith("+00:00")
    assert "job" not in told(record("elsewhere"))


def test_a_line_of_a_request_names_it_and_its_trace() -> None:
    with at_request("mine"):
        line = told(record("served"), f"00-{'4b' * 16}-{'7f' * 8}-01")
    assert (line["correlation_id"], line["trace_id"], line["span_id"]) == (
        "mine",
        "4b" * 16,
        "7f" * 8,
    )


def test_extras_and_exceptions_stand_in_the_object_without_secrets() -> None:
    made = record("failed", seconds=3, dsn="postgresql://me:hunter2@db/x")
    try:
        raise ValueError("password=hunter2")
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    line = told(made)
    assert line["seconds"] == 3
    assert "ValueError" in str(line["exception"])
    assert "hunter2" not in json.dumps(line)


def test_a_line_for_people_says_it_too() -> None:
    formatter = TextFormatter(TEXT)
    with at_task(MARK):
        assert formatter.format(record("x")).endswith("lib x [line 7-0-3 attempt 4]")
    with at_request("mine"):
        assert formatter.format(record("x")).endswith("lib x [request mine]")
    assert formatter.format(record("token=1 sig=abc")).endswith("sig=***")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://me:hunter2@db:5432/x", "hunter2"),
        ("AccountName=a;AccountKey=hunter2==;EndpointSuffix=x", "hunter2"),
        ("Endpoint=sb://x/;SharedAccessKey=hunter2", "hunter2"),
        ("https://a.blob/x?se=2026&sig=hunter2%3D&sp=r", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("Authorization: Bearer hunter2hunter2", "hunter2"),
        ("InstrumentationKey=hunter2;x", "hunter2"),
    ],
)
def test_secrets_are_hidden_by_their_forms(text: str, hidden: str) -> None:
    assert hidden not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:7071/api", "significant = 3", "at 12:30 UTC", "the design: x"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert redacted(text) == text


def test_tasks_are_heard_from_info_on_even_where_less_is_printed(
    restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is kept with a task does not depend on what the process prints."""
    logs.set_up("ERROR", "text")
    task_log = logging.getLogger("coremachine.task")
    assert task_log.isEnabledFor(logging.INFO)
    task_log.info("kept, not printed")
    logging.getLogger("x").error("printed")
    printed = capsys.readouterr().err
    assert "not printed" not in printed
    assert "printed" in printed

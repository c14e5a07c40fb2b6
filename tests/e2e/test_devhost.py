"""The development host as a process: Microsoft's worker library under real HTTP, a queue, timers and signals."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.devhost import (
    PATIENCE,
    ROOT,
    Host,
    command,
    eventually,
    running,
    tiny_app,
)
from triggers.local import ports


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tiny_app(tmp_path)


@pytest.fixture
def host(app: Path, tmp_path: Path) -> Iterator[Host]:
    with running(app, tmp_path) as host:
        yield host


def test_it_serves_functions_under_the_prefix(host: Host) -> None:
    hello = host.client.get("/api/hello/w%C3%B6rld", params={"q": "a b&c"})
    assert hello.text.startswith("hello wörld a b&c on ")
    body = bytes(range(256)) * 1000
    echo = host.client.post("/api/echo", content=body)
    assert (echo.status_code, echo.content) == (201, body)
    failed = host.client.get("/api/fail")
    assert (failed.status_code, failed.text) == (500, "")
    assert host.client.get("/hello/x").status_code == 404


def test_twenty_first_requests_start_the_web_app_once(host: Host) -> None:
    with ThreadPoolExecutor(20) as crowd:
        found = list(crowd.map(lambda _: host.client.get("/api/web/starts").json(), range(20)))
    assert found == [["start"]] * 20


def test_what_the_web_app_answers_comes_through_whole(host: Host) -> None:
    answer = host.client.get("/api/web/cookies")
    assert answer.content == bytes(range(256))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers.get_list("set-cookie") == [
        "a=1; Path=/; SameSite=lax",
        "b=2; HttpOnly; Path=/; SameSite=lax",
    ]
    head = host.client.head("/api/web/cookies")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "256")
    boom = host.client.get("/api/web/boom")
    assert (boom.status_code, boom.headers["content-type"]) == (500, "application/problem+json")
    assert boom.json()["correlation_id"] == boom.headers["x-correlation-id"]
    assert "a secret" not in boom.text


def test_messages_are_completed_redelivered_or_given_up(host: Host) -> None:
    host.client.post("/api/send", content=b"one fail-twice poison")
    eventually(lambda: host.state()["completed"] == 2 and host.state()["dead"] == 1)
    assert [entry["count"] for entry in host.seen("one")] == [1]
    assert [entry["count"] for entry in host.seen("fail-twice")] == [1, 2, 3]
    assert [entry["count"] for entry in host.seen("poison")] == [1, 2, 3, 4, 5]
    assert len({entry["id"] for entry in host.seen("fail-twice")}) == 1


def test_timers_fire_and_functions_that_cannot_run_are_named(host: Host) -> None:
    eventually(lambda: len([entry for entry in host.state()["seen"] if "tick" in entry]) >= 2)
    assert not [entry for entry in host.state()["seen"] if "switched_off" in entry]
    assert "function unconnected is not started: the app setting NO_SUCH_BUS is missing" in host.log
    assert "function switched_off is disabled" in host.log


def test_sigterm_finishes_what_runs_and_leaves_the_rest(host: Host) -> None:
    """Fault 39: no new message is taken, the running one is completed, and the process ends with 0."""
    host.client.post("/api/send", content=b"slow slow")
    eventually(lambda: len(host.seen("slow")) == 2)
    host.process.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping: finishing what is running" in host.log)
    assert host.process.poll() is None
    host.release.touch()
    assert host.process.wait(PATIENCE) == 0
    assert host.release.read_text() == "finished"
    assert "drained and stopped" in host.log


def run(app: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(app, ports.free()),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def change(app: Path, old: str, new: str) -> None:
    source = (app / "function_app.py").read_text()
    assert old in source
    (app / "function_app.py").write_text(source.replace(old, new))


def test_a_broken_module_is_named_with_its_line(app: Path) -> None:
    """R45: an import error says where it is, instead of a host with no functions."""
    (app / "terrain.py").write_text('"""Slopes."""\n\nimport no_such_library\n')
    change(app, "from tests.support", "import terrain\nfrom tests.support")
    done = run(app)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "fails at terrain.py line 3: ModuleNotFoundError: No module named 'no_such_library'"
    )


def test_a_function_the_library_cannot_bind_is_named(app: Path) -> None:
    """R45: one wrong signature keeps the whole app from loading."""
    change(
        app,
        "def work(message: func.ServiceBusMessage)",
        "def work(message: list[func.ServiceBusMessage])",
    )
    done = run(app)
    assert done.returncode == 1
    assert "cannot load the work function" in done.stderr


def test_two_functions_of_one_name_are_refused(app: Path) -> None:
    """R45: the second would silently replace the first."""
    change(app, '@app.route("echo"', '@app.function_name("hello")\n@app.route("echo"')
    done = run(app)
    assert done.returncode == 1
    assert "hello does not have a unique function name" in done.stderr


@pytest.mark.parametrize(
    ("route", "reason"), [("admin/x", "begins with admin"), ("/x", "begins with a slash")]
)
def test_a_route_the_azure_host_refuses_is_not_served(
    app: Path, tmp_path: Path, route: str, reason: str
) -> None:
    """R46: a route under admin works nowhere but on a developer's machine."""
    change(app, '@app.route("hello/{name}"', f'@app.route("{route}"')
    log = tmp_path / "host.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command(app, ports.free()), cwd=ROOT, stderr=stderr)
    eventually(lambda: "serving" in log.read_text() or process.poll() is not None)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert f"function hello is not started: the route '{route}' {reason}" in log.read_text()


def test_a_port_that_is_taken_ends_the_host(app: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = command(app, other.getsockname()[1])
        done = subprocess.run(
            taken, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert "Address already in use" in done.stderr.splitlines()[-1]

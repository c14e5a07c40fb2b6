"""What pages tell the reader to run does run, as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.routing import Match

import jobs
from core.blobs import BlobRef
from core.identity import Role
from core.keys import NewKey, Secret
from core.queues import QueueName
from core.stages import Retry
from core.tasks import TaskKey, Wakeup
from core.upkeep.reconciler import Periodic
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.keys import PostgresKeys
from infrastructure.settings import Settings
from infrastructure.store import PostgresStore
from services.raster import sample
from tests.docs.pages import ROOT, Block, Page, page, pages
from tests.support.waiting import eventually
from triggers import wiring
from triggers.http.app import create_app
from triggers.http.operate.health import Checkup
from triggers.http.services import Services
from triggers.local import ports
from triggers.local.sources import earth, standing


def typed_in(each: Page) -> list[str]:
    return [block.code for block in each.blocks_in("bash") if block.needs]


LOCAL = "http://127.0.0.1:7071"
RUNNING = "the running system"
STRICT = f"{RUNNING} with identity"
WITH_PYTHON = [each for each in pages() if each.blocks_in("python")]
TYPED = {each.name: code for each in pages() if (code := "".join(typed_in(each)))}
"""What a reader types on each page where that runs."""


@pytest.fixture(scope="module")
def stand() -> Iterator[str]:
    """The stand-in for the internet that `DEMO_SOURCES=local make run` starts."""
    with standing(earth()) as found:
        yield found.url


@pytest.fixture
def system(
    database: str,
    azurite: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """What a reader has after `make run`: the system at an address, in a folder with `.local`, and rasters.

    With the parameter "required" it knows its callers, and the reader has the first key.
    """
    identity = getattr(request, "param", None)
    monkeypatch.chdir(tmp_path)
    install_jobs(request.node.callspec.params["each"], tmp_path / "jobs", monkeypatch)
    monkeypatch.setattr(Retry, "wait", lambda retry, failures: timedelta(0))
    patient = "triggers.http.operate.health.Checkup"
    monkeypatch.setattr(patient, lambda probes, _: Checkup(probes, 25.0))  # busy is not sick
    AzureBlobs(azurite).write(BlobRef(f"bronze/samples/{sample.NAME}"), sample.dem(256))
    (tmp_path / "dem.tif").write_bytes(sample.dem(128))
    remember_port(tmp_path / ".local/azurite", azurite)
    stand = request.getfixturevalue("stand")
    given = Settings(
        database_url=database,
        storage=azurite,
        service_bus=None,
        identity=identity,
        url_plain_http=True,
        url_networks="127.0.0.0/8",
        sources_url=stand,
    )
    services = wiring.build(given)
    if identity is not None:
        monkeypatch.setenv("COREMACHINE_API_KEY", first_key(services))
    monkeypatch.setattr(wiring, "_shared", [services])
    set_aside(services)
    with ExitStack() as stack:
        stack.callback(services.close)
        work(services, stack)
        yield serve(stack)


def install_jobs(each: Page, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs that the page lets its reader write are installed, as they would be."""
    folder.mkdir()
    monkeypatch.setattr(jobs, "__path__", [*jobs.__path__, str(folder)])
    for block in each.blocks_in("python"):
        if block.file.startswith("jobs/"):
            (folder / Path(block.file).name).write_text(block.code)
            name = block.file.removesuffix(".py").replace("/", ".")
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
            monkeypatch.delitem(sys.modules, name)


def set_aside(services: wiring.Services) -> None:
    """Messages about a task that went on without them, as a queue leaves them behind."""
    store = PostgresStore(services.database)
    for number in range(3):
        body = Wakeup(TaskKey(1, 0, number), 1).encode()
        store.quarantine("tasks-light", f"m{number}", body, "dead letter: gave up")


def first_key(services: wiring.Services) -> str:
    """As `python -m triggers.keys create` makes it."""
    secret = Secret.make()
    key = NewKey(secret.id, secret.digest, "first operator", Role.OPERATOR)
    PostgresKeys(services.database).add(key, "test")
    return str(secret)


def remember_port(folder: Path, connection_string: str) -> None:
    found = re.search(r"BlobEndpoint=http://127\.0\.0\.1:(\d+)/", connection_string)
    assert found is not None
    folder.mkdir(parents=True)
    (folder / "port").write_text(found[1])


def work(services: wiring.Services, stack: ExitStack) -> None:
    """A worker for every queue, and its repairs."""
    process = wiring.worker_process(services, "docs", dict.fromkeys(QueueName, 1))
    process.start()
    services.pump.start()
    stack.callback(process.drain, 5)
    stack.callback(Periodic("reconciler", services.reconciler.round, 0.1).start().stop)


def serve(stack: ExitStack) -> str:
    """The web app at a free port; its address."""
    port = ports.free()
    web = wiring.web_server(ports.LOOPBACK, port)
    web.start()
    stack.callback(web.stop)
    eventually(lambda: ports.status_of(port, "/api/readyz") == 200)
    return f"http://{ports.LOOPBACK}:{port}"


def run_page(each: Page, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python blocks in order: a block that is a file becomes that module, the others share one namespace."""
    namespace: dict[str, Any] = {"__name__": "reader"}
    for block in each.blocks_in("python"):
        if block.file:
            become(block, monkeypatch)
        else:
            exec(compiled(block, system), namespace)  # noqa: S102 - our own documentation


def become(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    name = block.file.removesuffix(".py").replace("/", ".")
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compiled(block), vars(module))  # noqa: S102 - our own documentation
    for member, value in list(vars(module).items()):
        if member.startswith("test_"):
            value()


def compiled(block: Block, system: str = LOCAL) -> Any:
    """The block's code, at its place in its page, so that a traceback points there."""
    head = "\n" * block.line
    return compile(head + block.code.replace(LOCAL, system), block.page, "exec")


@pytest.mark.skipif(shutil.which("bash") is None, reason="the shell is not here")
@pytest.mark.parametrize("each", [page(name) for name in TYPED], ids=lambda each: each.name)
def test_shell_blocks_run(each: Page, system: str, tmp_path: Path) -> None:
    """One shell types a page from top to bottom, and stops where a command fails."""
    launcher = tmp_path / "bin/coremachine"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m triggers.cli "$@"\n')
    launcher.chmod(0o755)
    (tmp_path / "key.txt").write_text("cm_a_key_that_this_system_does_not_ask_for\n")
    env = {
        **{name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ},
        "PATH": f"{launcher.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "CM_SERVER": system,
    }
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", TYPED[each.name].replace(LOCAL, system)],
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"


def needs(each: Page) -> set[str]:
    return {block.needs for block in each.blocks_in("python")} - {""}


@pytest.mark.parametrize(
    "each", [each for each in WITH_PYTHON if STRICT not in needs(each)], ids=lambda each: each.name
)
def test_python_blocks_run(
    each: Page, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert needs(each) <= {RUNNING}, "the only thing a block may need is the running system"
    system = request.getfixturevalue("system") if needs(each) else LOCAL
    run_page(each, system, monkeypatch)


@pytest.mark.parametrize("system", ["required"], indirect=True)
@pytest.mark.parametrize(
    "each", [each for each in WITH_PYTHON if STRICT in needs(each)], ids=lambda each: each.name
)
def test_python_blocks_run_where_callers_are_known(
    each: Page, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_page(each, system, monkeypatch)


def test_the_first_job_is_the_same_wherever_it_is_shown() -> None:
    shown = [
        block.code
        for name in ("README.md", "docs/howto/add-a-job.md")
        for block in page(name).blocks
        if block.file == "jobs/raster_sizes.py"
    ]
    assert len(shown) == 2
    assert shown[0] == shown[1]


def test_modules_that_pages_run_exist() -> None:
    told = {name for each in pages() for name in re.findall(r"python -m ([\w.]+\w)", each.text)}
    root = Path(jobs.__file__).parents[1]
    for name in told:
        file = root / Path(*name.split("."))
        assert file.with_suffix(".py").exists() or (file / "__main__.py").exists(), name


ASKED = re.compile(
    r"curl (?P<options>(?:-\S+ )*(?:-X (?P<with>\w+) )?)[\"']?(?:http://127\.0\.0\.1:7071|\$URL)(?P<asked>/[^\s\"'`?]+)"
    r"|(?P<named>GET|POST) (?P<path>/api[^\s\"'`?]*)"
)


def asked_in(text: str) -> list[tuple[str, str]]:
    """The methods and paths that curl asks for, and those that prose names."""
    return [
        (found["named"] or found["with"] or "GET", found["path"] or found["asked"])
        for found in ASKED.finditer(text)
    ]


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_every_route_that_a_page_asks_for_answers(each: Page) -> None:
    app = create_app(Services(None, None, None, None))  # type: ignore[arg-type]
    for method, path in asked_in(each.text):
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        answers = any(route.matches(scope)[0] is Match.FULL for route in app.routes)
        assert answers, f"{method} {path}"


def test_the_check_of_routes_finds_what_is_asked() -> None:
    text = (
        'curl -s -X POST http://127.0.0.1:7071/api/a -d "{}"\ncurl -sN $URL/api/b?x=1\n`GET /api/c`'
    )
    assert asked_in(text) == [("POST", "/api/a"), ("GET", "/api/b"), ("GET", "/api/c")]


@pytest.mark.skipif(
    shutil.which("bash") is None, reason="the shell that reads these blocks is not here"
)
def test_shell_blocks_are_shell() -> None:
    for each in pages():
        for block in each.blocks_in("bash"):
            read = subprocess.run(
                ["bash", "-n"], input=block.code, text=True, capture_output=True, check=False
            )
            assert read.returncode == 0, f"{block.page}:{block.line} {read.stderr}"

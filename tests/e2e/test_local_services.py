"""The private services of a local run: they start, answer, survive a crash, and only they are stopped."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
from azure.storage.blob import BlobServiceClient

from core.errors import Conflict, ServiceUnavailable
from tests.support.services import Services
from tests.support.waiting import eventually
from triggers.local import azurite as azurite_module
from triggers.local import ports
from triggers.local.azurite import Azurite
from triggers.local.postgres import PostgresServer
from triggers.local.processes import Background, began

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture
def folder():
    """A folder that user postgres may enter; pytest's own folders are closed to others."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder):
    server = PostgresServer(folder / "postgres", settings={"fsync": "off"})
    yield server
    server.remove()


def ask(dsn, query, *values):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query, values).fetchone()[0]


def write_blob(azurite, data):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container("kept").upload_blob("blob", data)


def read_blob(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        return service.get_blob_client("kept", "blob").download_blob().readall()


def test_postgres_answers_and_what_it_committed_survives_a_crash(server):
    server.start()
    server.create_database("survivor")
    with psycopg.connect(server.dsn("survivor"), autocommit=True) as connection:
        connection.execute("create table t as select 42 as answer")
        before = ask(server.dsn(), "select pg_postmaster_start_time()")
        server.restart("immediate")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert ask(server.dsn("survivor"), "select answer from t") == 42
    assert ask(server.dsn(), "select pg_postmaster_start_time()") > before


def test_postgres_keeps_its_port_and_data_when_it_is_stopped_and_another_process_starts_it(server):
    server.start()
    server.create_database("kept")
    assert server.stop()
    assert not server.stop()
    again = PostgresServer(server.folder)
    assert again.port == server.port
    again.start()
    assert ask(again.dsn("kept"), "select current_database()") == "kept"
    assert server.running


def test_starting_postgres_twice_and_creating_a_database_twice_changes_nothing(server):
    server.start()
    server.create_database("once")
    before = ask(server.dsn("once"), "select pg_postmaster_start_time()")
    server.start()
    server.create_database("once")
    assert ask(server.dsn("once"), "select pg_postmaster_start_time()") == before


def test_postgres_listens_on_loopback_only_and_asks_for_the_password(server):
    server.start()
    assert ask(server.dsn(), "show listen_addresses") == "127.0.0.1"
    assert ask(server.dsn(), "show unix_socket_directories") == ""
    assert stat.S_IMODE(server.passfile.stat().st_mode) == 0o600
    password = server.passfile.read_text().strip().rpartition(":")[2]
    assert password not in server.dsn()
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(server.dsn().partition("?")[0] + "?passfile=/nowhere")


@as_root
def test_postgres_finds_another_place_for_its_data_when_its_user_may_not_enter_the_folder(tmp_path):
    """As when root clones the checkout into /root."""
    tmp_path.chmod(0o700)
    with PostgresServer(tmp_path / "postgres", settings={"fsync": "off"}) as server:
        home = server.home
        assert tmp_path not in home.parents
        assert ask(server.dsn(), "select 1") == 1
        server.remove()
    assert not home.exists()


def test_a_stale_postmaster_pid_that_names_a_foreign_process_stops_nobody(server):
    server.start()
    server.stop("immediate")
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    assert not server.running
    assert not server.stop()
    (server.data / "postmaster.pid").unlink()


def test_a_taken_port_is_exchanged_unless_somebody_asked_for_it(server):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port} is taken"):
            PostgresServer(server.folder, port).start()
        (server.folder / "port").write_text(str(port))
        moved = PostgresServer(server.folder)
        moved.start()
        assert moved.port != port
        assert ask(moved.dsn(), "show port") == str(moved.port)


def test_a_setting_that_postgres_refuses_is_told_with_the_end_of_its_log(folder):
    server = PostgresServer(folder / "postgres", settings={"max_connections": "many"})
    with pytest.raises(ServiceUnavailable, match='invalid value for parameter "max_connections"'):
        server.start()
    server.remove()


def test_azurite_answers_and_what_it_stored_survives_a_restart_and_a_crash(folder):
    with Azurite(folder / "azurite") as azurite:
        write_blob(azurite, b"first")
        azurite.restart()
        assert read_blob(azurite) == b"first"
        azurite.restart("immediate")
        assert azurite.running
    assert not azurite.running
    assert not ports.taken(azurite.port)


def test_azurite_that_is_not_installed_says_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(azurite_module, "PROGRAM", folder / "missing")
    with pytest.raises(ServiceUnavailable, match="make setup"):
        Azurite(folder / "azurite").start()


def test_a_background_program_sees_its_settings_and_writes_its_log(folder):
    background = Background(folder, "greeter")
    background.start(["sh", "-c", 'echo "hello $NAME"; exec sleep 60'], {"NAME": "world of spaces"})
    eventually(lambda: "hello world of spaces" in background.log.read_text())
    assert background.running
    assert background.stop()
    assert not background.running
    assert not background.stop()


def test_a_background_program_outlives_the_process_that_started_it(folder):
    start = (
        "from pathlib import Path; from triggers.local.processes import Background; import sys; "
    )
    start += "Background(Path(sys.argv[1]), 'sleeper').start(['sleep', '60'])"
    subprocess.run([sys.executable, "-c", start, folder], check=True, cwd=ROOT)
    sleeper = Background(folder, "sleeper")
    assert sleeper.running
    assert sleeper.stop()


def test_a_program_that_ignores_the_request_to_end_is_ended_with_its_children(folder):
    background = Background(folder, "stubborn")
    background.start(["sh", "-c", "trap '' TERM; sleep 60 & echo $!; while :; do sleep 60; done"])
    child = int(eventually(lambda: background.log.read_text()))
    assert background.stop(patience=0.2)
    assert not background.running
    eventually(lambda: gone(child))


def gone(pid):
    """Ended, though its parent may not have asked about it yet."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return told.rpartition(")")[2].split()[0] == "Z"


def test_a_foreign_process_that_got_the_pid_of_an_ended_one_is_left_alone(folder):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as foreign:
        moment = int(began(foreign.pid))
        background = Background(folder, "reused")
        (folder / "reused.pid").write_text(f"{foreign.pid} {moment - 1}")
        assert not background.running
        assert not background.stop()
        assert not background.kill()
        assert foreign.poll() is None
        (folder / "reused.pid").write_text(f"{foreign.pid} {moment}")
        assert background.kill()
        assert foreign.wait() == -9


def test_a_program_that_ends_at_once_is_told_with_the_end_of_its_log(folder):
    background = Background(folder, "broken")
    background.start(["sh", "-c", "echo no such module >&2; exit 1"])
    with pytest.raises(ServiceUnavailable, match="no such module"):
        background.wait_until(lambda: False)


def test_a_program_that_never_gets_ready_is_told_too(folder):
    background = Background(folder, "slow")
    background.start(["sleep", "60"])
    with pytest.raises(ServiceUnavailable, match="did not get ready"):
        background.wait_until(lambda: False, timeout=0.1)
    background.stop()


def test_each_test_gets_a_database_of_its_own(database, postgres_admin):
    with psycopg.connect(database) as connection:
        connection.execute("create table mine ()")
    assert (
        postgres_admin.execute(
            "select count(*) from pg_tables where tablename = 'mine'"
        ).fetchone()[0]
        == 0
    )


def test_a_second_worker_finds_the_template_that_the_first_one_made(
    postgres_server, postgres_admin
):
    Services(postgres_server.folder.parent).migrated_template()
    assert (
        postgres_admin.execute("select 1 from pg_database where datname = 'migrating'").fetchone()
        is None
    )


def local(*arguments):
    """`python -m triggers.local`, as a user runs it who has set nothing."""
    settings = {"DATABASE_URL", "AZURE_STORAGE_CONNECTION_STRING", "SERVICEBUS_CONNECTION_STRING"}
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    command = [sys.executable, "-m", "triggers.local", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_up_shows_a_job_working_and_down_stops_everything(folder):
    port = ports.free()
    try:
        first = local("--folder", folder, "up", "--port", port)
        assert first.returncode == 0, first.stdout + first.stderr
        assert "kigali-hills_analysis.tif" in first.stdout
        eventually(lambda: ports.status_of(port, "/api/livez") == 200)

        second = local("--folder", folder, "up", "--port", port)
        assert second.returncode == 0, second.stdout + second.stderr
        assert f"Already running at http://127.0.0.1:{port}" in second.stdout

        elsewhere = local("--folder", folder, "up", "--port", ports.free())
        assert elsewhere.returncode == 1
        assert f"already runs on port {port}" in elsewhere.stderr
        assert local("--folder", folder, "status").returncode == 0
    finally:
        stopped = local("--folder", folder, "down", "--delete-data")
    assert stopped.stdout == "Stopped the worker, blob storage, PostgreSQL.\n"
    assert not ports.taken(port)
    assert local("--folder", folder, "down").stdout == "Nothing was running.\n"


def test_up_on_a_port_of_another_program_starts_nothing_and_says_how_to_choose_another(folder):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        refused = local("--folder", folder, "up", "--port", port)
    assert refused.returncode == 1
    assert (
        f"port {port} is taken by another program; choose another: make run CM_PORT="
        in refused.stderr
    )
    assert not (folder / "postgres").exists()


def test_the_shared_azurite_answers(azurite):
    with BlobServiceClient.from_connection_string(azurite) as service:
        assert service.get_account_information()["account_kind"]

"""One PostgreSQL and one Azurite for a whole test run, started by whichever worker asks first."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from triggers.local.azurite import Azurite
from triggers.local.postgres import PostgresServer
from triggers.local.processes import began

PREFIX = "coremachine-tests-"
TEMPLATE = "coremachine_template"
# Crashes of processes are tested, power failures are not.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "300",
}


class Services:
    """What the processes of one test run share under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls) -> "Services":
        """A place for services; none is started yet."""
        stop_abandoned()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        folder.chmod(0o755)  # user postgres must get in
        (folder / "owner").write_text(f"{os.getpid()} {began(os.getpid())}")
        return cls(folder)

    def postgres(self) -> PostgresServer:
        with self._alone():
            server = PostgresServer(self.folder / "postgres", settings=SETTINGS)
            server.start()
        return server

    def azurite(self) -> Azurite:
        with self._alone():
            azurite = Azurite(self.folder / "azurite")
            azurite.start()
        return azurite

    def migrated_template(self) -> None:
        """Make the template that every test's database is a copy of, unless another worker has."""
        from infrastructure.migrations import migrate  # noqa: PLC0415  (pure unit tests start without it)

        with self._alone():
            server = PostgresServer(self.folder / "postgres")
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                if admin.execute(
                    "select 1 from pg_database where datname = %s", [TEMPLATE]
                ).fetchone():
                    return
                admin.execute("drop database if exists migrating")
                admin.execute("create database migrating")
                migrate(server.dsn("migrating"))
                admin.execute(f"alter database migrating rename to {TEMPLATE}")

    def stop(self) -> None:
        """Stop what was started and delete everything."""
        Azurite(self.folder / "azurite").stop()
        PostgresServer(self.folder / "postgres").remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextlib.contextmanager
def fresh_database(server: PostgresServer, admin: psycopg.Connection) -> Iterator[str]:
    """The DSN of a migrated database that nobody else uses, dropped at the end."""
    name = f"test_{uuid4().hex}"
    # Copying files takes a seventh of the processor time of writing it all to the log, the default.
    patiently(admin, f"create database {name} template {TEMPLATE} strategy file_copy")
    try:
        yield server.dsn(name)
    finally:
        patiently(admin, f"drop database {name} with (force)")


@contextlib.contextmanager
def numbered_database(server: PostgresServer, admin: psycopg.Connection) -> Iterator[str]:
    """The same for tests that share their storage, where large values lie by run: its runs begin somewhere."""
    with fresh_database(server, admin) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            somewhere = uuid4().int % 1_000_000_000 + 1
            conn.execute(f"alter table app.runs alter column run_id restart with {somewhere}")
        yield dsn


def database_for(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[str]]:
    """How to make what a test needs, which may be a test that uses the storage."""
    return numbered_database if "azurite" in request.fixturenames else fresh_database


def patiently(admin: psycopg.Connection, statement: str) -> None:
    """PostgreSQL waits five seconds for those who are still in the database; a busy machine takes longer."""
    for _ in range(11):
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            admin.execute(statement)
            return
    admin.execute(statement)


def stop_abandoned() -> None:
    """Stop the services of runs that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            pid, moment = (folder / "owner").read_text().split()
            if folder.stat().st_uid == os.geteuid() and began(int(pid)) != moment:
                Services(folder).stop()

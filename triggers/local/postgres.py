"""A private PostgreSQL: a cluster in one folder, on loopback, with a password of its own."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self, TypedDict
from urllib.parse import quote

from core.errors import ServiceUnavailable
from triggers.local import ports
from triggers.local.processes import tail

DEBIAN = Path("/usr/lib/postgresql")
OLDEST = 15
USER = "coremachine"
SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "fsync": "on",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class ServerUser(TypedDict, total=False):
    """Who a program runs as, as subprocess wants it."""

    user: str
    group: str
    extra_groups: list[str]


class PostgresServer:
    """A PostgreSQL server whose port and password stay in `folder`, and its data too where its user may enter."""

    def __init__(
        self, folder: Path, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self.settings = {**SETTINGS, **(settings or {})}
        self._wanted = port
        self.port = ports.kept(self.folder, port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """A server is ours if it works in our data directory, whatever a stale postmaster.pid says."""
        if not self.folder.exists():
            return False
        try:
            pid = (self.data / "postmaster.pid").read_text().split()[0]
            return Path(f"/proc/{pid}/cwd").readlink() == self.data
        except (OSError, IndexError):
            return False

    def dsn(self, database: str = "postgres") -> str:
        """How to reach a database. It names the file with the password, not the password."""
        return f"postgresql://{USER}@{ports.LOOPBACK}:{self.port}/{database}?passfile={quote(str(self.passfile))}"

    def start(self) -> None:
        """Create the cluster if there is none, start it and wait until it answers."""
        if self.running:
            return
        _binaries(None)  # complains, with what to do, before anything is made
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.passfile.exists() and self._version):
            self._create()
        self.port = ports.settle(self.folder, self.port, self._wanted)
        self._configure()
        self._control("start", "-l", str(self.log))

    def stop(self, mode: Literal["immediate", "fast"] = "fast") -> bool:
        """Stop it. False if it was not running."""
        if not self.running:
            return False
        self._control("stop", "-m", mode)
        return True

    def restart(self, mode: Literal["immediate", "fast"] = "fast") -> None:
        """Stop it, `immediate` as a crash would, and start it on the same data and port."""
        self.stop(mode)
        self.start()

    def create_database(self, name: str) -> None:
        """Create a database unless it exists."""
        statement = (
            "select format('create database %I', :'name')\n"
            "where not exists (select from pg_database where datname = :'name') \\gexec\n"
        )
        options = ["-XqtA", "-v", "ON_ERROR_STOP=1", "-v", f"name={name}"]
        self._run("psql", *options, self.dsn(), stdin=statement)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        if not self.folder.exists():
            return
        self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def home(self) -> Path:
        """Where the cluster lives: in `folder`, unless its user may not go there (a checkout under /root)."""
        if _may_enter(self.folder):
            return self.folder
        name = f"coremachine-{sha256(bytes(self.folder)).hexdigest()[:12]}"
        return Path("~postgres").expanduser() / name

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def passfile(self) -> Path:
        return self.folder / "pgpass"

    @property
    def _version(self) -> int | None:
        """The PostgreSQL that made our data; None while there is none."""
        made_by = self.data / "PG_VERSION"
        return int(made_by.read_text()) if made_by.exists() else None

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.home.mkdir(mode=0o755, exist_ok=True)
        _give_to_server(self.home)
        password = secrets.token_urlsafe(24)
        handed_over = self.home / "password"
        _write_private(handed_over, password)
        _give_to_server(handed_over)
        self._initialise(handed_over)
        handed_over.unlink()
        # Last of all: its presence says that the cluster is complete.
        _write_private(self.passfile, f"*:*:*:{USER}:{password}\n")

    def _initialise(self, password: Path) -> None:
        encoding = ["--encoding=UTF8", "--locale=C.UTF-8"]
        access = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"]
        self._run("initdb", "-D", str(self.data), *encoding, *access, user=_server_user())
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("include = 'coremachine.conf'\n")

    def _configure(self) -> None:
        ours = self.data / "coremachine.conf"
        settings = {**self.settings, "port": str(self.port)}
        ours.write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        _give_to_server(ours)

    def _control(self, action: str, *options: str) -> None:
        arguments = [action, "-D", str(self.data), "-w", "-t", "60", "-s", *options]
        self._run("pg_ctl", *arguments, user=_server_user())

    def _run(
        self,
        program: str,
        *arguments: str,
        user: ServerUser | None = None,
        stdin: str | None = None,
    ) -> None:
        ended = subprocess.run(  # noqa: S603
            [str(_binaries(self._version) / program), *arguments],
            **(user or {}),
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            story = ended.stderr.strip() or ended.stdout.strip()
            raise ServiceUnavailable(f"PostgreSQL: {program} failed: {story}\n{tail(self.log)}")


def _binaries(version: int | None) -> Path:
    """The programs of that version, else the newest that Debian has installed and that is new enough."""
    if version is not None:
        return DEBIAN / str(version) / "bin"
    versions = [path for path in DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    newest = max(versions, key=lambda path: int(path.parent.name), default=None)
    if newest is None or int(newest.parent.name) < OLDEST:
        raise ServiceUnavailable(f"PostgreSQL {OLDEST} or newer is not installed; run 'make setup'")
    return newest


def _server_user() -> ServerUser:
    """PostgreSQL refuses to run as root; Debian's package makes a user for it."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _may_enter(folder: Path) -> bool:
    asked = ["/usr/bin/test", "-x", str(folder)]
    return subprocess.run(asked, check=False, cwd="/", **_server_user()).returncode == 0  # noqa: S603


def _give_to_server(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)

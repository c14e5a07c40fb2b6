"""A private PostgreSQL on a free port, without care for its data, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
SETTINGS = ["fsync=off", "shared_buffers=32MB", "max_connections=60", "listen_addresses=127.0.0.1"]


@contextmanager
def scratch_postgres() -> Iterator[str]:
    """The connection string of a fresh server's superuser."""
    home = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        owner = server_user()
        if owner is not None:
            shutil.chown(home, owner)
        run(owner, "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "--no-sync")
        port = free_port()
        flags = " ".join(f"-c {setting}" for setting in SETTINGS)
        flags += f" -p {port} -k {home}"
        control = ["pg_ctl", "-D", home / "data", "-w", "-l", home / "log"]
        run(owner, *control, "-o", flags, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run(owner, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


def server_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


def run(user: str | None, program: str, *arguments: str | Path) -> None:
    subprocess.run(
        [BIN / program, *arguments], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

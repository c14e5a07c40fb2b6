"""The command as a program: its help, its settings, terminals and pipes, signals, how fast it is there."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.types import Receive, Scope, Send
from typer.main import get_command

import jobs
from core.registry import discover
from coremachine_client import Client
from coremachine_client.models import JobType
from tests.clients.cli import Cli, command
from tests.http.house import House, serving
from tests.http.sample_jobs import Squares
from tests.support.waiting import eventually
from triggers.cli import tables
from triggers.cli.app import app
from triggers.cli.exits import Code
from triggers.cli.submit import command_of
from triggers.cli.tables import Column, rows_of
from triggers.local import ports

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "bin/coremachine"
ENDED = {"completed": 0}


def all_commands() -> Iterator[list[str]]:
    for name, each in get_command(app).commands.items():
        inner = getattr(each, "commands", None)
        yield from ([[name, word] for word in inner] if inner else [[name]])


COMMANDS = [words for words in all_commands() if words != ["submit"]]


@pytest.fixture
def away(tmp_path: Path) -> Cli:
    """The command, for a server that is not there."""
    return command(f"http://127.0.0.1:{ports.free()}", tmp_path)


# help


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_speaks_json(words: list[str], away: Cli) -> None:
    done = away(*words, "--help")
    assert done.code == 0
    assert "--json" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert re.search(r"\n  [A-Z].{10,}", done.out), "a sentence says what it does"


def test_the_help_shows_every_command(away: Cli) -> None:
    shown = re.findall(r"^  (\w+)  +\S", away("--help").out, re.MULTILINE)
    assert {words[0] for words in all_commands()} <= set(shown)


@pytest.mark.parametrize("job", discover(jobs).jobs.values(), ids=lambda job: job.job_type)
def test_every_job_type_becomes_a_command_with_all_its_parameters(job) -> None:
    """No name of a parameter is lost to an option of the command itself."""
    schema = job.model_json_schema()
    made = command_of(JobType(job_type=job.job_type, parameters=schema))
    own = {each.name for each in made.params if each.name.startswith("with_")}
    assert own == {f"with_{name}" for name in job.model_fields}
    spelled = [word for each in made.params for word in (*each.opts, *each.secondary_opts)]
    assert len(spelled) == len(set(spelled))


def test_a_parameter_named_like_an_option_gets_another_name() -> None:
    schema = {"properties": {"force": {"type": "boolean"}, "from": {"type": "string"}}}
    made = command_of(JobType(job_type="odd", parameters=schema))
    spelled = {word for each in made.params for word in each.opts}
    assert {"--with-force", "--with-from", "--force", "--from"} <= spelled


# settings


def test_settings_are_kept_where_only_the_user_reads_them(tmp_path: Path) -> None:
    cli = command("", tmp_path)
    assert cli("config", "set", "server", "https://one.internal/").code == 0
    assert cli("config", "set", "api-key", text="cm_0123456789abcdef\n").code == 0
    file = tmp_path / "coremachine/config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = cli("config", "show", "--json").document
    assert (shown["server"], shown["api_key"]) == ("https://one.internal", "cm_012…")
    assert "abcdef" not in cli("config", "show").out
    assert (
        cli("--server", "http://two", "config", "show", "--json").document["server"] == "http://two"
    )
    assert command("http://three", tmp_path)("config", "show", "--json").document["from"] == {
        "server": "option or environment",
        "api_key": "file",
    }
    assert cli("config", "unset", "server").code == 0
    assert "server" not in file.read_text()
    assert cli("config", "set", "server", "one.internal").code == 2


def test_settings_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "coremachine").mkdir()
    (tmp_path / "coremachine/config.toml").write_text("server = ")
    done = command("", tmp_path)("list")
    assert (done.code, "cannot be read" in done.err) == (2, True)


def test_a_server_that_is_not_there_is_named(away: Cli) -> None:
    done = away("list", "--json")
    assert (done.code, done.out) == (6, "")
    assert "does not answer" in json.loads(done.err)["error"]["message"]
    assert away("submit", "--help").code == 0, "help helps then, too"


# blobs


def test_blobs_go_there_and_back(cli: Cli, tmp_path: Path) -> None:
    place = f"bronze/t{uuid4().hex}"
    (tmp_path / "dem.tif").write_bytes(b"elevation" * 99)
    sent = cli("blobs", "put", tmp_path / "dem.tif", f"{place}/", "--json")
    assert sent.document["ref"] == f"{place}/dem.tif"
    assert list((tmp_path / "coremachine/uploads").iterdir()) == []
    assert cli("blobs", "put", tmp_path / "dem.tif", f"{place}/dem.tif").code == 4
    assert cli("blobs", "put", tmp_path / "dem.tif", f"{place}/dem.tif", "--overwrite").code == 0
    assert "891 B" in cli("blobs", "ls", place).out
    assert place in cli("blobs", "ls", "bronze").out
    got = cli("blobs", "get", f"{place}/dem.tif", tmp_path / "back.tif")
    assert (got.code, got.out) == (0, f"{tmp_path / 'back.tif'}\n")
    assert (tmp_path / "back.tif").read_bytes() == b"elevation" * 99
    assert cli("blobs", "get", f"{place}/dem.tif", "-").out == "elevation" * 99
    assert cli("blobs", "show", f"{place}/dem.tif", "--json").document["size"] == 891
    assert (
        f"{place.removeprefix('bronze/')}/dem.tif" in cli("blobs", "link", f"{place}/dem.tif").out
    )
    written = cli("blobs", "link", f"{place}/new.tif", "--write", "--json").document
    assert (written["method"], written["headers"]) == ("PUT", {"x-ms-blob-type": "BlockBlob"})
    assert cli("blobs", "link", f"{place}/dem.tif", "--write").code == 4
    assert cli("blobs", "get", f"{place}/none.tif").code == 3
    assert cli("blobs", "get", "nonsense").code == 2


# health and the doctor


def test_health_tells_each_component(cli: Cli) -> None:
    assert "database" in cli("health").out
    assert cli("health", "--json").document["status"] in {"healthy", "degraded"}


def test_the_doctor_finds_a_well_system_well(cli: Cli) -> None:
    eventually(lambda: cli("doctor").code == 0)  # a component is asked only so long
    found = {each["what"]: each for each in cli("doctor", "--json").lines}
    assert {"address", "server", "server's clock", "versions", "workers", "disk"} <= set(found)


def test_the_doctor_says_what_to_do(away: Cli, tmp_path: Path) -> None:
    done = away("doctor", "--remote")
    assert done.code == 1
    assert "fail  server: " in done.out
    assert "Is the address right" in done.out


def test_the_doctor_looks_behind_the_server(
    cli: Cli, database: str, azurite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infrastructure.settings import Settings  # noqa: PLC0415
    from triggers import wiring  # noqa: PLC0415

    def findings(**given: object) -> dict[str, tuple[str, str]]:
        monkeypatch.setattr(wiring, "settings", lambda: Settings(**given))  # type: ignore[arg-type]
        lines = cli("doctor", "--local", "--json").lines
        return {each["what"]: (each["state"], each["told"]) for each in lines[10:]}

    well = findings(database_url=database, storage=azurite)
    assert well["database"][0] == well["storage"][0] == "ok"
    assert well["database's clock"][0] in {"ok", "warn"}, "both are read, one after the other"
    nowhere = f"postgresql://postgres@127.0.0.1:{ports.free()}/none"
    broken = findings(database_url=nowhere, storage="nonsense", scratch="/nowhere/at/all")
    assert [broken[each][0] for each in ("database", "storage", "disk")] == ["fail"] * 3


def test_the_doctor_notices_others_who_may_read_the_key(cli: Cli, tmp_path: Path) -> None:
    cli("config", "set", "server", "http://127.0.0.1:1")
    (tmp_path / "coremachine/config.toml").chmod(0o644)
    done = cli("doctor", "--remote")
    assert f"chmod 600 {tmp_path}/coremachine/config.toml" in done.out


# what people see


def test_a_table_fits_the_terminal_and_a_pipe_gets_everything() -> None:
    columns = (Column("job", lambda row: row[0]), Column("error", lambda row: row[1], gives=True))
    rows = [("a" * 12, "warp failed: " * 20), ("b" * 12, "日本語" * 30)]
    shown = rows_of(rows, columns, wide=80)
    assert max(map(tables.length, shown)) <= 80
    assert shown[1].endswith("…")
    assert rows[0][1].rstrip() in rows_of(rows, columns)[1]


def test_what_would_move_the_cursor_is_shown_as_nothing() -> None:
    assert tables.text("a\x1b[2Jb\nc\x00") == "a [2Jb c "


def test_sizes_and_ages_are_for_people() -> None:
    assert [tables.size(n) for n in (0, 999, 1500, 123_456_789, 5 * 10**12)] == [
        "0 B", "999 B", "1.5 kB", "123 MB", "5.0 TB",
    ]  # fmt: skip
    ago = [timedelta(seconds=3), timedelta(seconds=75), timedelta(hours=5), timedelta(days=9)]
    assert [tables.age(datetime.now(UTC) - each) for each in ago] == ["3.0s", "75s", "5h", "9d"]


# the program itself


def environment(server: str, home: Path, **more: str) -> dict[str, str]:
    kept = {
        name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ
    }
    return {**kept, "CM_SERVER": server, "XDG_CONFIG_HOME": str(home), "HOME": str(home), **more}


def on_terminal(arguments: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Run the program on a terminal of 80 columns; its exit code, and all that it showed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(PROGRAM, [str(PROGRAM), *arguments], {**env, "TERM": "xterm"})  # noqa: S606
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown = b""
    while select.select([fd], [], [], 60)[0]:
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")


@pytest.fixture
def launched() -> None:
    if not (ROOT / ".venv/bin/python").exists():
        pytest.skip("this checkout has no .venv")


@pytest.mark.usefixtures("launched")
def test_it_works_from_anywhere_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "cm").symlink_to(PROGRAM)
    done = subprocess.run(
        [tmp_path / "cm", "--help"], cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: coremachine ")


@pytest.mark.usefixtures("launched")
def test_it_is_there_in_a_blink() -> None:
    """Measured in processor time, for the machine of a test is often busy."""
    used = []
    for _ in range(5):
        before = os.times()
        subprocess.run([PROGRAM, "--help"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        used.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
    assert min(used) < 0.4


def test_help_imports_neither_the_client_nor_the_product() -> None:
    code = (
        "import sys; sys.argv = ['coremachine', '--help']\n"
        "from triggers.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'httpx', 'rich', 'pydantic', 'yaml', 'core', 'psycopg'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("launched")
def test_a_terminal_gets_bars_and_a_pipe_gets_lines(system: str, tmp_path: Path) -> None:
    words = ["submit", "hello_world", "--names", "Ada", "--names"]
    code, shown = on_terminal([*words, uuid4().hex], environment(system, tmp_path))
    assert code == 0
    assert "━" in shown
    assert "\x1b[" in shown
    plain = subprocess.run(
        [PROGRAM, *words, uuid4().hex],
        env=environment(system, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in plain.stdout + plain.stderr
    assert "━" not in plain.stderr


@pytest.mark.usefixtures("launched")
def test_a_terminal_shows_what_a_job_waits_for_until_it_is_let_in(
    house: House, tmp_path: Path
) -> None:
    first = house.submit(Squares(n=1))
    words = f"submit squares --n 2 --after {first} --timeout 2".split()
    with serving(house.app()) as server:
        code, shown = on_terminal(words, environment(server, tmp_path))
        assert code == 7
        assert "waits: it waits for 1 job(s) that have not ended (" in shown
        house.work()
        code, shown = on_terminal(
            ["watch", Squares(n=2).fingerprint], environment(server, tmp_path)
        )
        assert (code, "waits:" in shown) == (0, False)


@pytest.mark.usefixtures("launched")
def test_no_color_is_respected(system: str, tmp_path: Path) -> None:
    colour = re.compile(r"\x1b\[(?:\d;)*[349]\d[0-9;]*m")
    cli = ["submit", "hello_world", "--names", uuid4().hex]
    _, shown = on_terminal(cli, environment(system, tmp_path))
    assert colour.search(shown), "the check itself: a terminal gets colours"
    for words in (["list"], ["submit", "hello_world", "--names", uuid4().hex]):
        code, shown = on_terminal(words, environment(system, tmp_path, NO_COLOR="1"))
        assert code == 0
        assert not colour.search(shown), words


@pytest.mark.usefixtures("launched")
def test_who_interrupts_is_told_that_the_job_goes_on(house: House, tmp_path: Path) -> None:
    app, asked = house.app(), set[str]()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        asked.add(scope.get("path", ""))
        await app(scope, receive, send)

    with serving(noting) as server:
        running = subprocess.Popen(
            ["env", "--default-signal=INT", PROGRAM, "submit", "squares", "--n", "3"],
            env=environment(server, tmp_path),
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually(lambda: any(Squares(n=3).fingerprint in path for path in asked))  # it waits
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 130
        assert f"coremachine watch {Squares(n=3).fingerprint[:12]}" in told
        assert "Traceback" not in told
        house.work()
        assert house.insights.status_of(Squares(n=3).fingerprint) in ENDED


def completed(server: str, home: Path, line: str) -> str:
    """What bash would offer."""
    env = environment(
        server, home, _COREMACHINE_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" "))
    )  # fmt: skip
    done = subprocess.run([PROGRAM], env=env, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.usefixtures("launched")
def test_the_shell_completes_commands_job_types_their_flags_and_jobs(
    house: House, tmp_path: Path
) -> None:
    job_id = house.submit(Squares(n=3))
    with serving(house.app()) as server, Client(server) as client:
        assert client.job_types(), "it is awake"
        assert next(client.jobs()).job_id == job_id

        def offers(line: str, *wanted: str) -> None:
            """A machine that is too busy to answer within the command's patience is asked again."""
            eventually(lambda: completed(server, tmp_path, line).split() == [*wanted])

        offers("coremachine resu", "result", "resume", "resubmit")
        offers("coremachine submit squ", "squares")
        offers("coremachine submit choosy --la", "--label")
        offers("coremachine show ", job_id[:12])
    began = time.monotonic()
    assert completed(server, tmp_path, "coremachine show ").strip() == ""
    assert time.monotonic() - began < 30, "a server that is away is not waited for"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the shell is not here")
def test_the_launcher_is_a_shell_script() -> None:
    subprocess.run(["sh", "-n", PROGRAM], check=True)
    assert os.access(PROGRAM, os.X_OK)


# its reference page


def test_every_command_and_every_exit_code_stands_in_the_reference() -> None:
    text = (ROOT / "docs/reference/coremachine.md").read_text()
    told = re.findall(r"^\| `coremachine ([a-z ]+)` \|", text, re.MULTILINE)
    assert told == [" ".join(words) for words in all_commands()]
    codes = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert codes == [str(int(code)) for code in Code]

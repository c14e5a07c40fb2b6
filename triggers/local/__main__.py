"""python -m triggers.local up | down | status: the whole system on this machine."""

import argparse
import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from rich.console import Console

from core.errors import CoreMachineError
from triggers.local.stack import Given, Stack

ROOT = Path(__file__).parents[2]
console = Console(highlight=False, soft_wrap=True)
complaints = Console(highlight=False, soft_wrap=True, stderr=True)


def main(arguments: list[str] | None = None) -> int:
    """Do what was asked; a failure is told in a sentence, without a traceback."""
    asked = _parser().parse_args(arguments)
    try:
        return asked.action(asked)
    except CoreMachineError as error:
        complaints.print(str(error), markup=False)
    except KeyboardInterrupt:
        complaints.print("Interrupted. 'make stop' stops what was started.")
    return 1


def up(asked: argparse.Namespace) -> int:
    """Start what does not run yet, then show it working."""
    stack = Stack(asked.folder, asked.port, _given(), local_sources=asked.sources == "local")
    if stack.worker.running:
        console.print(f"Already running at {stack.url} ('make stop' first to run changed code).")
    with _alone(stack), console.status("starting") as status:
        for step in stack.start():
            status.update(step)
    settings = [f"{name}={value}" for name, value in stack.settings.items()]
    demo = [sys.executable, "-m", "triggers.local.demo", stack.url]
    return subprocess.run(["/usr/bin/env", *settings, *demo], check=False).returncode  # noqa: S603


def down(asked: argparse.Namespace) -> int:
    """Stop exactly what `up` started."""
    stack = Stack(asked.folder)
    with _alone(stack):
        stopped = list(stack.stop())
        if asked.delete_data:
            stack.delete_data()
    console.print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


def status(asked: argparse.Namespace) -> int:
    """Say what runs and where. The exit code is 0 if the worker does."""
    stack = Stack(asked.folder)
    for part in stack.parts():
        state = f"runs at {part.address}" if part.running else "stopped"
        console.print(f"{part.name:<14}{state}")
    return 0 if stack.worker.running else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m triggers.local", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".local", help="where everything is kept"
    )
    actions = parser.add_subparsers(required=True, metavar="up|down|status")
    for action in (up, down, status):
        sub = actions.add_parser(action.__name__, help=action.__doc__, description=action.__doc__)
        sub.set_defaults(action=action)
        if action is up:
            sub.add_argument("--port", type=int, default=7071, help="where to serve (default 7071)")
            sub.add_argument(
                "--sources",
                choices=("real", "local"),
                default="real",
                help="where jobs read weather: from the internet, or from a stand-in on this machine",
            )
        if action is down:
            sub.add_argument(
                "--delete-data", action="store_true", help="delete what was stored, too"
            )
    return parser


def _given() -> frozenset[Given]:
    """The services that the environment names."""
    from triggers import wiring  # noqa: PLC0415  (stopping works even when the product cannot be imported)

    chosen = {"database_url": Given.DATABASE, "storage": Given.STORAGE}
    return frozenset(chosen[field] for field in wiring.settings().model_fields_set & chosen.keys())


@contextlib.contextmanager
def _alone(stack: Stack) -> Generator[None]:
    """Two commands at once would start everything twice."""
    stack.folder.mkdir(parents=True, exist_ok=True)
    with (stack.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())

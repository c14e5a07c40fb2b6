"""`python -m triggers.devhost`: run a function app without Azure Functions Core Tools."""

import argparse
import asyncio
import functools
import importlib
import logging
import sys
from pathlib import Path

from triggers.devhost.host import serve
from triggers.devhost.queues import Bus
from triggers.devhost.settings import CannotStart


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped; 1 when the app cannot be run."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    opener = functools.partial(_open_bus, options.bus)
    try:
        asyncio.run(serve(options.app.resolve(), (options.host, options.port), opener))
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m triggers.devhost", description=__doc__)
    parser.add_argument("--port", type=int, default=7071, help="port to listen on (7071)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--app", type=Path, default=Path(), help="directory of function_app.py (.)")
    parser.add_argument(
        "--bus",
        default="triggers.wiring:service_bus",
        metavar="MODULE:FUNCTION",
        help="what opens Service Bus, called when a queue triggers a function (triggers.wiring:service_bus)",
    )
    return parser


def _open_bus(name: str) -> Bus:
    # By name: an app without queue functions never imports the wiring, and a test brings its own bus.
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    sys.exit(main())

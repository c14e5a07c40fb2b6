"""Index a function app with Microsoft's library and print the bindings of each function as JSON.

The library keeps an app in module globals, so a test runs this in a process of its own.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import ModuleType

from triggers.devhost.worker import Worker


def without_wiring(uses_service_bus: bool) -> None:
    """A wiring that opens nothing, and fails when indexing alone asks it for the web app or the machine."""
    wiring = ModuleType("triggers.wiring")

    def forbidden(*_: object) -> None:
        raise AssertionError("indexing must not build anything")

    wiring.uses_service_bus = lambda: uses_service_bus
    wiring.web_app = wiring.run_message = wiring.tick = forbidden
    sys.modules["triggers.wiring"] = wiring


def main() -> None:
    app, mode = Path(sys.argv[1]).resolve(), sys.argv[2]
    if mode != "as-it-is":
        without_wiring(mode == "service-bus")
    began = time.process_time()
    records = asyncio.run(Worker(app).index())
    took = time.process_time() - began
    functions = {
        record.name: [json.loads(raw) for raw in record.raw_bindings] for record in records
    }
    loaded = [
        name
        for name in ("fastapi", "starlette", "psycopg", "rasterio", "titiler")
        if name in sys.modules
    ]
    print(json.dumps({"functions": functions, "seconds": took, "loaded": loaded}))


main()

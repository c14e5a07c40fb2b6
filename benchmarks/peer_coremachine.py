"""CoreMachine as one more peer of the shared bench: real workers, real store, jobs submitted through the machine.

`python -m benchmarks` plugs it in; by hand: `run_peers.py --peer-file benchmarks/peer_coremachine.py`.
"""

import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # the bench runs peers from a folder of its own

from core.queues import QueueName  # noqa: E402
from core.states import JobStatus  # noqa: E402
from infrastructure.settings import Settings  # noqa: E402
from triggers import wiring  # noqa: E402

PEER = {
    "venv": "coremachine",
    "pip": [
        "psycopg[binary,pool]",
        "pydantic",
        "pydantic-settings",
        "azure-storage-blob",
        "prometheus-client",
        "rasterio",
        "rio-cogeo",
    ],
    "variants": {
        "coremachine": {"needs": ["postgres"], "note": "2 workers, embedded queue, batched claims"}
    },
}

NO_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=nobody;AccountKey=bm9ib2R5;"
    "BlobEndpoint=http://127.0.0.1:1/nobody"
)
"""Small results stay in their rows, so storage is never asked for."""
WORKER = ["-m", "triggers.worker", "--queues", f"{QueueName.JOBS},{QueueName.LIGHT}"]


def setup(ctx: Any) -> None:
    environment = {
        "DATABASE_URL": ctx.dsn,
        "AZURE_STORAGE_CONNECTION_STRING": NO_STORAGE,
        "CM_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    given = Settings.model_validate({"database_url": ctx.dsn, "storage": NO_STORAGE})
    wiring.prepare(given)
    ctx.services = wiring.build(given, "bench-client")
    for _ in range(ctx.workers):
        ctx.spawn([ctx.python, *WORKER], env=environment)
    ctx.poll(lambda: sessions(ctx) == ctx.workers or None, 60)


def sessions(ctx: Any) -> int:
    with ctx.services.database.transaction() as conn:
        return conn.execute("select count(*) from app.sessions").fetchone()[0]


def submit(ctx: Any, n: int) -> int:
    machine = ctx.services.machine
    job = machine.parse("fan_out_probe", {"n": n, "label": uuid4().hex})
    return machine.submit(job).run.run


def wait(ctx: Any, run: int, timeout: float) -> Any:
    return ctx.poll(lambda: result(ctx, run), timeout)


def result(ctx: Any, run: int) -> Any:
    with ctx.services.database.transaction() as conn:
        query = "select status, result from app.runs where run_id = %s and finished_at is not null"
        row = conn.execute(query, (run,)).fetchone()
    if row is None:
        return None
    if row[0] != JobStatus.COMPLETED:
        raise RuntimeError(f"run {run} ended {row[0]}")
    return json.loads(row[1])


def teardown(ctx: Any) -> None:
    ctx.stop_all()
    ctx.services.close()

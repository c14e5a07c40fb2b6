"""What a new run writes down of when it may start, inside whatever transaction is open."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from core.admission.terms import FREE, After, Terms
from infrastructure.database import sql


def add_dependencies(conn: Connection[Any], run: int, after: After) -> None:
    """Write down what the run waits for; in the transaction that writes the run."""
    values = {"run_id": run, "jobs": list(after.jobs), "success": after.success}
    found = conn.execute(sql("admission/add_dependencies"), values).fetchall()
    after.refuse_unknown({job for (job,) in found})


def run_columns(terms: Terms, after: After) -> dict[str, Any]:
    """What add_run writes of a run's terms."""
    return {
        "key": terms.key,
        "terms": None if terms == FREE else terms.model_dump_json(),
        "timeout": terms.timeout,
        "binds": terms.binds or bool(after.jobs),
    }

"""The mailroom in PostgreSQL: webhooks, and deliveries that were written down with their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from core.webhooks.mailroom import AttemptView, DeliveryView, WebhookView
from core.webhooks.rules import (
    OPENS_AFTER,
    PER_TARGET,
    PING,
    Attempt,
    Circuit,
    Consequence,
    DeliveryStatus,
    Disable,
    Parcel,
    State,
    Wish,
    message_id,
    standing,
)
from infrastructure.audit import note
from infrastructure.database import Database, sql

TOLD: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
LAST = 2**63 - 1
DONE = {State.ACTIVE: "resumed", State.PAUSED: "paused", State.DISABLED: "disabled"}


class PostgresMailroom:
    """core.webhooks.mailroom.Mailroom over a Database.

    Whoever changes deliveries holds the row of their webhook first. Those who write events take no lock of ours.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # registering

    def add(self, wish: Wish, secret: str, by: str) -> WebhookView:
        values = {**_wish(wish), "secret": secret}
        added = self._changed("webhooks/add_webhook", values, by, "webhook_created")
        assert added is not None
        return added

    def get(self, webhook: UUID) -> WebhookView | None:
        return _first(self._webhooks("webhooks/get_webhook", {"webhook": webhook}))

    def list(self, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[WebhookView]:
        time, name = after or ("-infinity", UUID(int=0))
        values = {"after_time": time, "after": name, "limit": limit}
        return self._webhooks("webhooks/list_webhooks", values)

    def count(self) -> int:
        return self.database.fetch("webhooks/count_webhooks", {})[0][0]

    def change(self, webhook: UUID, wish: Wish, by: str) -> WebhookView | None:
        values = {**_wish(wish), "webhook": webhook}
        return self._changed("webhooks/change_webhook", values, by, "webhook_changed")

    def set_state(self, webhook: UUID, state: State, by: str) -> WebhookView | None:
        values = {"webhook": webhook, "state": state}
        return self._changed("webhooks/set_state", values, by, f"webhook_{DONE[state]}")

    def remove(self, webhook: UUID, by: str) -> bool:
        def act(conn: Connection[Any]) -> bool:
            gone = conn.execute(sql("webhooks/remove_webhook"), {"webhook": webhook}).rowcount > 0
            if gone:
                note(conn, by, "webhook_removed", str(webhook))
            return gone

        return self.database.run(act)

    def drop(self, webhook: UUID, limit: int) -> int:
        return self.database.execute(
            "webhooks/drop_deliveries", {"webhook": webhook, "limit": limit}
        )

    def rotate(self, webhook: UUID, secret: str, overlap: timedelta, by: str) -> bool:
        values = {"webhook": webhook, "secret": secret, "overlap": overlap}

        def act(conn: Connection[Any]) -> bool:
            if conn.execute(sql("webhooks/hold_webhook"), values).fetchone() is None:
                return False
            conn.execute(sql("webhooks/retire_secrets"), values)
            conn.execute(sql("webhooks/add_secret"), values)
            note(conn, by, "webhook_secret_changed", str(webhook))
            return True

        return self.database.run(act)

    # looking

    def deliveries(
        self, webhook: UUID, before: int | None, status: DeliveryStatus | None, limit: int
    ) -> Sequence[DeliveryView]:
        values = {
            "webhook": webhook,
            "before": LAST if before is None else before,
            "status": status,
            "limit": limit,
        }
        return [_delivery(row) for row in self._dicts("webhooks/list_deliveries", values)]

    def delivery(self, webhook: UUID, delivery: int) -> DeliveryView | None:
        values = {"webhook": webhook, "delivery": delivery}
        return _first([_delivery(row) for row in self._dicts("webhooks/get_delivery", values)])

    def attempts(self, delivery: int) -> Sequence[AttemptView]:
        rows = self._dicts("webhooks/list_attempts", {"delivery": delivery})
        return [AttemptView(**row) for row in rows]

    # sending

    def ping(self, webhook: UUID, by: str) -> int | None:
        def act(conn: Connection[Any]) -> int | None:
            values = {"webhook": webhook, "kind": PING}
            row = conn.execute(sql("webhooks/add_ping"), values).fetchone()
            if row is None:
                return None
            note(conn, by, "webhook_tested", str(webhook))
            return row[0]

        return self.database.run(act)

    def replay(self, webhook: UUID, delivery: int, by: str) -> bool:
        values = {"webhook": webhook, "delivery": delivery}

        def act(conn: Connection[Any]) -> bool:
            conn.execute(sql("webhooks/hold_webhook"), values)
            if not conn.execute(sql("webhooks/replay_delivery"), values).fetchall():
                return False
            note(conn, by, "delivery_replayed", str(webhook), {"delivery": delivery})
            return True

        return self.database.run(act)

    def claim(self, limit: int, doubtful: int, lease: float) -> Sequence[Parcel]:
        values = {
            "limit": limit,
            "doubtful": doubtful,
            "lease": lease,
            "per_target": PER_TARGET,
            "opens_after": OPENS_AFTER,
        }

        def act(conn: Connection[Any]) -> Sequence[Parcel]:
            ready = [row[0] for row in conn.execute(sql("webhooks/hold_ready")).fetchall()]
            if not ready:
                return []
            # A statement of its own, whose snapshot sees what others claimed before we had the locks.
            rows = conn.execute(sql("webhooks/claim_deliveries"), {**values, "webhooks": ready})
            return [_parcel(row) for row in rows.fetchall()]

        return self.database.run(act)

    def settle(self, parcel: Parcel, attempt: Attempt, then: Consequence) -> bool:
        status, delay = standing(then)
        values = {
            "webhook": parcel.webhook,
            "delivery": parcel.delivery,
            "attempt": parcel.attempt,
            "status": status,
            "delay": delay,
            "status_code": attempt.status_code,
            "milliseconds": round(attempt.took.total_seconds() * 1000),
            "error": attempt.error,
            "answer": attempt.answer,
            "gone": isinstance(then, Disable),
            "doubtful": not attempt.is_prompt,
        }

        def act(conn: Connection[Any]) -> bool:
            held = conn.execute(sql("webhooks/hold_webhook"), values).fetchone()
            if held is None or conn.execute(sql("webhooks/settle_delivery"), values).rowcount == 0:
                return False
            conn.execute(sql("webhooks/add_attempt"), values)
            circuit = attempt.circuit(held[0])
            conn.execute(sql("webhooks/mark_webhook"), {**values, **_marks(circuit)})
            return True

        return self.database.run(act)

    def prune(self, days: int, limit: int) -> int:
        return self.database.execute("webhooks/prune_deliveries", {"days": days, "limit": limit})

    def _changed(
        self, name: str, values: Mapping[str, Any], by: str, action: str
    ) -> WebhookView | None:
        def act(conn: Connection[Any]) -> dict[str, Any] | None:
            with conn.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(sql(name), {**values, "by": by}).fetchone()
            if row is not None:
                # Not the whole address: what stands behind the host may be a secret.
                host = urlsplit(str(row["url"])).hostname
                note(conn, by, action, str(row["webhook_id"]), {"host": host})
            return row

        row = self.database.run(act)
        return None if row is None else _webhook(row)

    def _webhooks(self, name: str, values: Mapping[str, Any]) -> list[WebhookView]:
        return [_webhook(row) for row in self._dicts(name, values)]

    def _dicts(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        def act(conn: Connection[Any]) -> list[dict[str, Any]]:
            with conn.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(sql(name), values).fetchall()

        return self.database.run(act)


def _webhook(row: dict[str, Any]) -> WebhookView:
    return WebhookView(id=row.pop("webhook_id"), **row)


def _first(rows: Sequence[Any]) -> Any:
    return rows[0] if rows else None


def _wish(wish: Wish) -> dict[str, Any]:
    return {
        "url": wish.url,
        "description": wish.description,
        "events": list(wish.events),
        "job_types": list(wish.job_types),
        "prefix": wish.prefix,
    }


def _marks(circuit: Circuit) -> dict[str, Any]:
    return {"failures": circuit.failures, "rests": circuit.rests}


def _parcel(row: Sequence[Any]) -> Parcel:
    *_, told, now, secrets, doubtful = row
    delivery, attempt, tries, webhook, url, message, kind, happened = row[:8]
    return Parcel(
        delivery,
        attempt,
        tries,
        webhook,
        url,
        message,
        kind,
        happened,
        TOLD.validate_json(told),
        now,
        secrets,
        doubtful,
    )


def _delivery(row: dict[str, Any]) -> DeliveryView:
    return DeliveryView(
        id=row["delivery"],
        message_id=message_id(row["message"]),
        type=row["kind"],
        status=row["status"],
        job_id=row["job_id"],
        event=row["number"],
        attempts=row["attempt"],
        happened=row["happened"],
        next_at=row["due_at"],
        ended_at=row["ended_at"],
        status_code=row["status_code"],
        error=row["error"] or None,
    )

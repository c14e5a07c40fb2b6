"""The second port: one JSON object a line, to set faults and ask for counts while traffic runs."""

import asyncio
import json
from dataclasses import asdict
from typing import Any

from tests.support.service_bus.faults import Faults
from tests.support.service_bus.protocol import Server


class Control:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._carry_out(json.loads(line))).encode() + b"\n")
        finally:
            writer.close()

    def _carry_out(self, command: dict[str, Any]) -> dict[str, Any]:
        broker = self._server.broker
        match command:
            case {"do": "faults", "queue": queue, "faults": faults}:
                broker.set_faults(Faults(**faults), queue)
            case {"do": "configure", "queue": queue, "options": options}:
                broker.configure(queue, **options)
            case {"do": "counts", "queue": queue}:
                return asdict(broker.queue(queue).counts())
            case {"do": "expire_locks", "queue": queue}:
                broker.queue(queue).expire_locks()
            case {"do": "pass_time", "queue": queue, "seconds": seconds}:
                broker.queue(queue).pass_time(seconds)
            case {"do": "harm"}:
                return broker.harm()
            case {"do": "connections"}:
                return {"open": len(self._server.connections)}
            case {"do": "disconnect"}:
                self._server.drop_all()
            case unknown:
                return {"error": f"unknown command {unknown}"}
        return {}

"""Run the emulator: `python -m tests.support.service_bus --port 0` prints the ports it listens on."""

import argparse
import asyncio
import sys

from tests.support.service_bus.broker import Broker, QueueOptions
from tests.support.service_bus.control import Control
from tests.support.service_bus.protocol import Connection, Server

LOOPBACK = "127.0.0.1"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Azure Service Bus in memory, on loopback")
    parser.add_argument("--port", type=int, default=0, help="AMQP; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0, help="faults and counts")
    parser.add_argument("--lock-seconds", type=float, default=60.0)
    parser.add_argument("--max-delivery", type=int, default=10)
    parser.add_argument("--max-message-kb", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input closes")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    queue_options = QueueOptions(options.lock_seconds, options.max_delivery)
    broker = Broker(queue_options, options.seed)
    server = Server(broker, options.max_message_kb * 1024)
    loop = asyncio.get_running_loop()
    amqp = await loop.create_server(lambda: Connection(server), LOOPBACK, options.port)
    control = await asyncio.start_server(Control(server).serve, LOOPBACK, options.control_port)
    print(*(each.sockets[0].getsockname()[1] for each in (amqp, control)), flush=True)
    running = asyncio.create_task(broker.run())
    if options.until_eof:
        await loop.run_in_executor(None, sys.stdin.read)
    else:
        await running


if __name__ == "__main__":
    asyncio.run(serve(arguments()))

"""The product's Service Bus adapter, for a development host that a test starts against the emulator."""

import os

from infrastructure.service_bus.bus import ServiceBus


def open_bus() -> ServiceBus:
    return ServiceBus(os.environ["TINY_BUS"])

"""The product's Service Bus adapter, for a development host that a test starts against the emulator."""

import os
from collections.abc import Sequence

from infrastructure.service_bus import Delivery, ServiceBus


class RenewingBus(ServiceBus):
    """Renews locks, as a Functions host does while a function runs."""

    def renew(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            receipt = delivery.token
            receipt.line.use(lambda receiver, m=receipt.message: receiver.renew_message_lock(m))


def open_bus() -> RenewingBus:
    return RenewingBus(os.environ["TINY_BUS"])

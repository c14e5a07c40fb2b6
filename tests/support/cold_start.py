"""A Functions instance to which a timer, a message and a request come at once. Says which jobs cannot be used, and why."""

import json
import threading
from collections.abc import Callable

from core.queues import QueueName
from triggers import wiring


def message() -> None:
    wiring.run_message(QueueName.LIGHT, b"names no task", 1)


def main() -> None:
    failed: list[str] = []

    def comes(act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:
            failed.append(f"{act.__name__}: {error}")

    threads = [
        threading.Thread(target=comes, args=[act])
        for act in (wiring.tick, message, message, wiring.web_app)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"failed": failed, "broken": dict(wiring.shared().registry.broken)}))


if __name__ == "__main__":
    main()

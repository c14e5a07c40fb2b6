"""How the installation is."""

from __future__ import annotations

from coremachine_client.models import DeepStatus, Health
from coremachine_client.transport import Transport


class InstallationVerbs:
    """What a client can ask about the installation as a whole."""

    transport: Transport

    def health(self) -> Health:
        """Every component with its state. A server that says it is unhealthy has answered."""
        answer = self.transport.send("GET", "/api/health", accept=(503,), repeatable=False)
        return self.transport.read(Health, answer)

    def deep_status(self) -> DeepStatus:
        """Queues, workers, failures of the last hour, and what someone should look at."""
        return self.transport.get(DeepStatus, "/api/status/deep")

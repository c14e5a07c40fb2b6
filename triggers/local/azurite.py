"""A private Azurite: Azure's blob storage on loopback, in one folder."""

from pathlib import Path
from typing import Literal, Self

from core.errors import ServiceUnavailable
from triggers.local import ports
from triggers.local.processes import Background

PROGRAM = Path(__file__).parents[2] / "node_modules/.bin/azurite-blob"
ACCOUNT = "devstoreaccount1"
# Published by Microsoft, the same for every Azurite: it opens nothing but loopback test data.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite:
    """Blob storage whose data, log and port stay in `folder`."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.resolve()
        self._wanted = port
        self.port = ports.kept(self.folder, port)
        self._process = Background(self.folder, "azurite")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def connection_string(self) -> str:
        endpoint = f"http://{ports.LOOPBACK}:{self.port}/{ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint};"

    def start(self) -> None:
        """Start it and wait until it answers. Nothing happens if it runs already."""
        if self.running:
            return
        if not PROGRAM.exists():
            raise ServiceUnavailable("Azurite is not installed; run 'make setup'")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = ports.settle(self.folder, self.port, self._wanted)
        self._process.start(self._command())
        self._process.wait_until(lambda: ports.status_of(self.port) is not None)

    def stop(self) -> bool:
        """Stop it. False if it was not running."""
        return self._process.stop()

    def restart(self, mode: Literal["immediate", "fast"] = "fast") -> None:
        """Stop it, `immediate` as a crash would, and start it on the same data and port."""
        self._process.kill() if mode == "immediate" else self.stop()
        self.start()

    def _command(self) -> list[str | Path]:
        """The SDK is always newer than Azurite (hence skipApiVersionCheck) and keeps its connections longer than 5 s."""
        return [
            *(PROGRAM, "--silent", "--skipApiVersionCheck", "--disableTelemetry"),
            *("--blobHost", ports.LOOPBACK, "--blobPort", str(self.port)),
            *("--location", self.folder / "data", "--blobKeepAliveTimeout", "300"),
        ]

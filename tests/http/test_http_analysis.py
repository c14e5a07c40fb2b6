"""An inventory under the address that today's users know."""

from collections.abc import Iterator

import httpx
import pytest

from core.blobs import BlobRef
from core.registry import Registry
from jobs.hello_world import HelloWorld
from jobs.inventory_container_contents import InventoryContainerContents
from tests.http.house import House, house_of, serving
from tests.http.test_http_problems import check_envelope


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with house_of(database, Registry.of(InventoryContainerContents, HelloWorld)) as house:
        yield house


def test_an_inventory_is_read_once_it_is_done(house: House) -> None:
    house.blobs.write(BlobRef("bronze/abc/dem.tif"), b"x")
    job = InventoryContainerContents(container_name="bronze-abc")
    with serving(house.app()) as url, httpx.Client(base_url=f"{url}/api", timeout=120) as client:
        address = f"/analysis/container/{house.submit(job)}"
        early = client.get(address)
        assert (early.status_code, check_envelope(early)["code"]) == (409, "result_not_ready")
        house.work()
        found = client.get(address).json()
        assert found["total"] == {"count": 1, "bytes": 1}
        assert [group["job"] for group in found["groups"]] == ["process_raster"]
        other = client.get(f"/analysis/container/{house.finish(HelloWorld())}")
        assert (other.status_code, check_envelope(other)["code"]) == (404, "job_not_found")

"""What the command shows at a glance."""

from pathlib import Path

from core.blobs import BlobRef
from tests.clients.cli import command
from tests.http.house import House, serving
from tests.http.sample_jobs import Copying, Failing


def test_history_tells_what_moved_and_no_reasons_where_no_task_failed(
    house: House, tmp_path: Path
) -> None:
    traffic = house.observability.watch.traffic
    assert traffic is not None
    source = house.blobs.write(BlobRef("bronze/rivers/nile.bin"), b"x" * 2_500).ref
    house.finish(Copying(source=source))
    traffic.flush()
    with serving(house.app()) as url:
        told = command(url, tmp_path)("history").out
    assert told.splitlines()[1].split()[:6] == ["copying", "1", "0", "1", "2.5", "kB"]
    assert "WHY" not in told


def test_history_tells_why_tasks_failed(house: House, tmp_path: Path) -> None:
    house.finish(Failing())
    with serving(house.app()) as url:
        told = command(url, tmp_path)("history").out
    assert "failing, fail" in told.split("WHY THEY FAILED")[1]


def test_costs_end_with_their_sum(house: House, tmp_path: Path) -> None:
    with serving(house.app()) as url:
        assert command(url, tmp_path)("blobs", "costs").out == "0.00 USD a month for 0 B\n"

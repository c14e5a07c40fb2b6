"""The first thing a newcomer sees: one raster job on a sample landscape, followed to its result."""

import sys
import time

import requests
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from core.blobs import BlobRef, Blobs, Zone
from core.errors import CoreMachineError, ServiceUnavailable
from core.insights.views import JobView
from core.states import JobStatus
from services.raster import sample
from services.raster.models import Published
from triggers import wiring

console = Console(highlight=False, soft_wrap=True)


class Submitted(BaseModel):
    """The part of the answer to a submission that the demo needs."""

    job_id: str


def main(base_url: str) -> int:
    """Run the demo; 0 if its job completed."""
    try:
        job = run(base_url, place_sample(wiring.blobs(wiring.settings())))
    except (CoreMachineError, requests.RequestException) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    _show(job, base_url)
    console.print(f"job          {base_url}/api/jobs/status/{job.job_id}")
    console.print(f"open         {base_url}/", style="bold")
    return 0 if job.status is JobStatus.COMPLETED else 1


def place_sample(blobs: Blobs) -> BlobRef:
    """Put the sample landscape where a user would upload a raster."""
    ref = BlobRef.of(Zone.BRONZE, "samples", sample.NAME)
    blobs.write(ref, sample.dem(), content_type="image/tiff")
    return ref


def run(base_url: str, source: BlobRef, timeout: float = 300) -> JobView:
    """Submit `process_raster` for `source` and follow it to its end with a progress bar."""
    parameters = {"source": source, "collection": "samples"}
    submit = f"{base_url}/api/jobs/submit/process_raster?force=true"
    answer = _checked(requests.post(submit, json=parameters, timeout=30))
    job_id = Submitted.model_validate_json(answer.content).job_id
    return _follow(f"{base_url}/api/jobs/status/{job_id}", timeout)


def _follow(url: str, timeout: float) -> JobView:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TaskProgressColumn())
    deadline = time.monotonic() + timeout
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("submitted", total=1.0)
        while time.monotonic() < deadline:
            job = JobView.model_validate_json(_checked(requests.get(url, timeout=30)).content)
            progress.update(bar, completed=job.progress, description=_stage(job))
            if job.status.is_final:
                return job
            time.sleep(0.1)
    raise ServiceUnavailable(f"the demo's job did not end in {timeout:.0f} seconds; see {url}")


def _stage(job: JobView) -> str:
    """What is being worked on; the job's own status before and after."""
    return next((stage.name for stage in job.stages if stage.status == "open"), job.status)


def _show(job: JobView, base_url: str) -> None:
    if job.error is not None:
        console.print(
            f"process_raster {job.status}: {job.error.message}", style="red", markup=False
        )
    if job.status is JobStatus.COMPLETED:
        made = Published.model_validate(job.result)
        cog = made.cogs[0]
        console.print(f"raster       {made.info.source}")
        console.print(f"COG          {cog.ref}")
        console.print(
            f"             {cog.grid.width} x {cog.grid.height}, {cog.grid.crs}, {cog.size:,} bytes"
        )
        console.print(
            f"STAC item    {base_url}/api/stac/collections/{made.collection}/items/{made.item_id}"
        )
        console.print(
            f"picture      {base_url}/api/tiles/{made.collection}/{made.item_id}/preview.png"
        )


def _checked(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        raise ServiceUnavailable(f"{answer.url} answered {answer.status_code}: {answer.text}")
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Jobs that pages show: until they have ended, or wait for a person."""

from tests.http.house import House
from tests.support.waiting import eventually


def ended(house: House, job_id: str) -> str:
    eventually(lambda: house.insights.job(job_id).status.is_final, 60)
    return job_id


def waiting(house: House, job_id: str) -> str:
    eventually(lambda: any(gate.job_id == job_id for gate in house.insights.gates()), 60)
    return job_id

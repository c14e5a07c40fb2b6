"""Finds every job in a package: one module, one job, no list to keep."""

from __future__ import annotations

import difflib
import importlib
import logging
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from core.errors import JobDefinitionError, UnknownJobType
from core.imports import one_at_a_time
from core.job import JobBase

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registry:
    """The installed job types, and the modules that could not be read."""

    jobs: Mapping[str, type[JobBase]]
    broken: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, *jobs: type[JobBase]) -> Registry:
        return cls({job.job_type: job for job in jobs})

    def __getitem__(self, job_type: str) -> type[JobBase]:
        if job_type in self.jobs:
            return self.jobs[job_type]
        for job in self.jobs.values():
            if job_type in job.also:
                return job
        near = difflib.get_close_matches(job_type, self.jobs, n=1, cutoff=0.5)
        hint = (
            f" Did you mean {near[0]!r}?"
            if near
            else f" There are: {', '.join(sorted(self.jobs))}."
        )
        raise UnknownJobType(f"There is no job type {job_type!r}.{hint}")

    def __contains__(self, job_type: str) -> bool:
        return job_type in self.jobs or any(job_type in job.also for job in self.jobs.values())


def discover(package: ModuleType) -> Registry:
    """Import every module of the package. One that fails is reported and left out, so the rest still serve."""
    jobs: dict[str, type[JobBase]] = {}
    broken: dict[str, str] = {}
    for info in sorted(
        pkgutil.iter_modules(package.__path__, f"{package.__name__}."), key=lambda i: i.name
    ):
        try:
            with one_at_a_time:
                module = importlib.import_module(info.name)
            found = jobs_in(module)
            for job in found:
                known = {name for each in jobs.values() for name in (each.job_type, *each.also)}
                for name in (job.job_type, *job.also):
                    if name in known:
                        raise JobDefinitionError(f"two jobs are called {name!r}")
        except Exception as error:  # noqa: BLE001 - a stranger's module may fail in any way
            log.error("job module %s cannot be used: %s", info.name, error)  # noqa: TRY400 - one line says it
            broken[info.name] = f"{type(error).__name__}: {error}"
        else:
            jobs.update({job.job_type: job for job in found})
    return Registry(jobs, broken)


def jobs_in(module: ModuleType) -> list[type[JobBase]]:
    return [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, JobBase)
        and member.__module__ == module.__name__
    ]

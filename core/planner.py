"""Plans a stage: makes its tasks out of what earlier stages gave, in chunks, as a task of its own."""

from __future__ import annotations

import inspect
from itertools import islice
from typing import Any
from uuid import UUID

from core.crashpoints import crashpoint
from core.inputs import Inputs
from core.job import JobBase
from core.plan import Carried
from core.ports import RunRow, Store
from core.stages import AnyStage, Shape
from core.tasks import Claim, NewTask
from core.values import Values, encode

CHUNK = 5_000


class Planner:
    """Runs planning tasks. Each write is fenced by the claim, so a planner that was given up cannot go on."""

    def __init__(self, store: Store, values: Values, inputs: Inputs, session: UUID) -> None:
        self.store = store
        self.values = values
        self.inputs = inputs
        self.session = session

    def plan(self, run: RunRow, job: JobBase, stage: AnyStage, claim: Claim) -> None:
        crashpoint("expand.before")
        reads = run.plan[claim.key.stage].reads
        carried = run.plan[claim.key.stage].carried
        if carried is not None:
            self._carry(claim, carried)
        elif stage.when is not None and not self._wanted(run, job, stage, reads):
            self.store.open_planned(claim, self.session, None, skip=True)
        elif stage.is_direct:
            self._copy(claim, (run.plan[reads[0]].home(run.run), reads[0]))
        elif stage.shape is Shape.FAN_OUT:
            self._write(claim, stage, self._elements(run, job, stage, reads))
        else:
            self.store.add_tasks(claim, self.session, [NewTask(0)])
            self.store.open_planned(claim, self.session, 1)

    def _wanted(self, run: RunRow, job: JobBase, stage: AnyStage, reads: tuple[int, ...]) -> bool:
        assert stage.when is not None
        alone = len(inspect.signature(stage.when).parameters) == 1
        return bool(stage.when(job, *(() if alone else self.inputs.sources(run, stage, reads))))

    def _elements(
        self, run: RunRow, job: JobBase, stage: AnyStage, reads: tuple[int, ...]
    ) -> list[Any]:
        values = self.inputs.sources(run, stage, reads)
        return values[0] if stage.each is None else stage.each(job, *values)

    def _write(self, claim: Claim, stage: AnyStage, elements: list[Any]) -> None:
        rest = enumerate(elements)
        while chunk := [self._task(claim, stage, n, element) for n, element in islice(rest, CHUNK)]:
            if not self.store.add_tasks(claim, self.session, chunk):
                return
            crashpoint("expand.between_chunks")
        crashpoint("expand.before_open")
        self.store.open_planned(claim, self.session, len(elements))

    def _task(self, claim: Claim, stage: AnyStage, n: int, element: Any) -> NewTask:
        assert stage.element is not None
        data = encode(stage.element, element, f"element {n} of {stage.name}")
        return NewTask(
            n, self.values.pack(data, f"runs/{claim.key.run}/{claim.key.stage}/arguments/{n}")
        )

    def _carry(self, claim: Claim, carried: Carried) -> None:
        """The tasks of an earlier run, those that completed as they are."""
        after: int | None = -1
        while after is not None:
            after = self.store.carry_tasks(claim, self.session, carried, after, CHUNK)
            crashpoint("carry.between_chunks")
        self.store.open_planned(claim, self.session, None)

    def _copy(self, claim: Claim, source: tuple[int, int]) -> None:
        after: int | None = -1
        while after is not None:
            after = self.store.copy_tasks(claim, self.session, source, after, CHUNK)
            crashpoint("expand.between_chunks")
        crashpoint("expand.before_open")
        self.store.open_planned(claim, self.session, None)

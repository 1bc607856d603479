"""New plans made beside a walk, which goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import msgspec
from oslo_log import log as logging

from vmpath_service.engine.executor.extending import Rest
from vmpath_service.engine.executor.state import Planning
from vmpath_service.engine.planning import Job
from vmpath_service.engine.replanning import Destination, GoOn, destination_apart, rest_apart
from vmpath_service.engine.walk import Outlook
from vmpath_service.model.errors import PlanningFailed, VmpathError
from vmpath_service.model.plan import Plan

LOG = logging.getLogger(__name__)

Prepared = Callable[[Callable[[], bool]], tuple[Job, Plan]]
Permit = Callable[[Callable[[], bool]], threading.Semaphore]


class PlannerBeside:
    """Reads the cloud and plans in a thread and a process of its own, one thing at a time.

    ``prepare`` gives a job with the present, and the plan as the database has it; it is told how to ask whether the
    answer is still waited for. ``permit`` is held while a process is at work.
    """

    def __init__(self, name: str, prepare: Prepared, permit: Permit, stopping: Callable[[], bool]) -> None:
        self._name = name
        self._prepare = prepare
        self._permit = permit
        self._stopping = stopping
        self._over = threading.Event()

    def begin(self, what: Planning, outlook: Outlook, step: int | None) -> Future[Rest | Destination]:
        """Begin to work it out; the answer raises VmpathError where there is none."""
        answer: Future[Rest | Destination] = Future()

        def work() -> None:
            try:
                answer.set_result(self._work_out(what, outlook, step))
            except VmpathError as error:
                answer.set_exception(error)
            except Exception as error:
                LOG.exception("Rearrangement %s: planning beside the walk broke", self._name)
                answer.set_exception(PlanningFailed(f"planning broke ({type(error).__name__}: {error})"))

        threading.Thread(target=work, name=f"replan-{self._name[:8]}", daemon=True).start()
        return answer

    def stop(self) -> None:
        """Nobody waits for an answer any more."""
        self._over.set()

    def _work_out(self, what: Planning, outlook: Outlook, step: int | None) -> Rest | Destination:
        permit = self._permit(self._cancelled)
        try:
            job, plan = self._prepare(self._cancelled)
            records = tuple(task.record for task in outlook.state.tasks.values())
            work = GoOn(job, msgspec.json.encode(plan), records, outlook.quarantined, step=step)
            if what == "destination":
                return destination_apart(work, self._cancelled)
            return rest_apart(work, self._cancelled)
        finally:
            permit.release()

    def _cancelled(self) -> bool:
        return self._over.is_set() or self._stopping()

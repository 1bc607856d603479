"""Carries a job of an engine on through errors, until it has ended or the engine stops."""

from __future__ import annotations

from collections.abc import Callable

import tenacity
from oslo_log import log as logging

from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.model.errors import CloudDenied, CloudError, Fenced
from vmpath_service.model.snapshot import Snapshot

LOG = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
LONGEST_PAUSE_OF_READING = 10.0


def read_patiently(cloud: Cloud, clock: Clock, stopping: Callable[[], bool], attempts: int) -> Snapshot:
    """Read the whole cloud, so many times if it does not answer or not in full; raises CloudError. Credentials
    that are refused are not tried again."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, CloudError) and not isinstance(error, CloudDenied)
        ),
        wait=tenacity.wait_random_exponential(multiplier=1, max=LONGEST_PAUSE_OF_READING),
        stop=lambda attempt: attempt.attempt_number >= attempts or stopping(),
        sleep=clock.wait,
        reraise=True,
    )
    return retrying(cloud.read)


def persevere(
    what: str,
    carry_on: Callable[[], None],
    clock: Clock,
    stopping: Callable[[], bool],
    in_trouble: Callable[[BaseException | None], None],
) -> None:
    """Call ``carry_on`` again after an error, with growing pauses, as it begins with what the database has.

    ``what`` names the job in the log; ``in_trouble`` is told of the first error. Raises nothing: it is left as it is
    where another engine has taken it over, or this one stops meanwhile.
    """

    def note(attempt: tenacity.RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        LOG.error("%s: taken up again after an error", what, exc_info=error)
        if attempt.attempt_number == 1:
            in_trouble(error)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, Exception) and not isinstance(error, Fenced)
        ),
        wait=tenacity.wait_random_exponential(multiplier=1, max=LONGEST_PAUSE),
        stop=lambda _: stopping(),
        sleep=clock.wait,
        before_sleep=note,
        reraise=True,
    )
    try:
        retrying(carry_on)
    except Fenced as error:
        LOG.warning("%s: left to another engine: %s", what, error)
    except Exception:
        LOG.exception("%s: left as it is", what)

"""The exceptions of vmpath: a small tree, translated once at each border.

``cli`` and ``api`` turn them into exit statuses and HTTP codes; nothing else does.
A message is one sentence for an operator: what, where, and what was expected.
"""


class VmpathError(Exception):
    """Base of everything vmpath raises on purpose."""


class InvalidInput(VmpathError):
    """Something a person or a program gave us is wrong (exit status 2, HTTP 400)."""


class InvalidFile(InvalidInput):
    """A file is wrong: names the file and the place in it as a JSON pointer (or ini section)."""

    def __init__(self, file: str, pointer: str, problem: str) -> None:
        self.file = file
        self.pointer = pointer
        self.problem = problem
        place = f" at {pointer}" if pointer else ""
        super().__init__(f"{file}{place}: {problem}")

    def __reduce__(self) -> tuple[type["InvalidFile"], tuple[str, str, str]]:
        # planning happens in another process: the default would replay __init__ with the message only
        return (InvalidFile, (self.file, self.pointer, self.problem))


class InvalidTarget(InvalidInput):
    """A target placement asks for what no rule allows: worse than what is there now."""


class NotFound(VmpathError):
    """What was named does not exist (exit status 2, HTTP 404)."""


class Conflict(VmpathError):
    """The state of things forbids what was asked for now (exit status 1, HTTP 409)."""


class Outdated(Conflict):
    """Somebody has changed it since whoever wants to change it has seen it (exit status 1, HTTP 412)."""


class CloudError(VmpathError):
    """Nova, Placement or Keystone did not do what was asked."""


class CloudUnreachable(CloudError):
    """No answer, or none that can be trusted (down, time-out, 5xx)."""


class CloudBusy(CloudUnreachable):
    """Too many requests, or overloaded (429, 503): surely nothing was done, and whoever asks is to slow down.

    ``retry_after``: after how many seconds Nova wants to be asked again, if it said so.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)

    def __reduce__(self) -> tuple[type["CloudBusy"], tuple[str, float | None]]:
        return (CloudBusy, (str(self), self.retry_after))


class CloudDenied(CloudError):
    """Wrong credentials or missing rights."""


class NoDecision(CloudError):
    """What was read is missing, partial or stale: nothing may be decided from it (safety rule 6)."""


class RequestRefused(CloudError):
    """Nova answered an action with a refusal: it was surely not carried out."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)

    def __reduce__(self) -> tuple[type["RequestRefused"], tuple[str, int]]:
        return (RequestRefused, (str(self), self.status))


class AnswerLost(CloudError):
    """A request was sent and its answer never came: it may or may not have been carried out."""


class StoreError(VmpathError):
    """The database failed."""


class Fenced(StoreError):
    """Another engine owns the rearrangement now: a write with our epoch was refused."""


class PlanningFailed(VmpathError):
    """Planning ended without a plan: cancelled, out of time, or the planning process died."""


class EngineUnreachable(VmpathError):
    """The engine did not answer in time: what it was asked to do may or may not have been done (HTTP 503)."""


class Undelivered(VmpathError):
    """A message was given up after the attempts that are allowed."""


class HookFailed(VmpathError):
    """A program or an address of the operator's did not do what it was asked to do."""

"""Every kind of event that there is: what it means, how loud it is, and what comes next.

The list in the documentation, the level in the log and what notifications say are all made of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Level = Literal["info", "warning", "error"]


class EventKind(msgspec.Struct, frozen=True):
    """``meaning``: what has happened. ``next``: what follows, with ``{id}`` for what it is about."""

    meaning: str
    next: str
    level: Level = "info"


_NOTHING = "Nothing more comes of it."
_FOLLOWED = "It is followed on; its end is an event of its own."
_UNKNOWN = EventKind("Something of a kind that this version does not know.", "See the message.")

_REARRANGEMENT: Mapping[str, EventKind] = {
    "planning": EventKind("A rearrangement was asked for.", "The cloud is read and a plan is made."),
    "planned": EventKind("The plan of a dry run is made.", "Nothing: a dry run moves nothing."),
    "awaiting_approval": EventKind(
        "The plan is made.", "It waits until somebody approves it: vmpath rearrangement approve {id}"
    ),
    "running": EventKind("The plan is walked from now on, or again.", "Migrations start as there is room for them."),
    "resumed": EventKind(
        "An engine has taken up what was going on when the last one ended.",
        "What was under way is looked for in Nova first, then it goes on.",
        "warning",
    ),
    "paused": EventKind(
        "Nothing more is started for now.",
        "What is in flight is followed to its end; then it waits for vmpath rearrangement resume {id}",
    ),
    "cancelling": EventKind("Somebody has cancelled it.", "What is in flight is followed to its end, then it ends."),
    "rolling_back": EventKind("It turns back.", "What was moved is moved back, as far as that is possible by now."),
    "way_back": EventKind("The way back is planned.", "Its migrations start as there is room for them."),
    "replanning": EventKind("The rest of the plan does not hold any more.", "A new plan for the rest is looked for."),
    "replanned": EventKind("There is a new plan for the rest.", "The new plan is walked."),
    "not_replanned": EventKind(
        "There is no new plan for the rest.", "What still can be done is done, then it ends.", "warning"
    ),
    "stopping": EventKind(
        "After a failure nothing more is started.",
        "What is in flight is followed to its end, then it ends.",
        "warning",
    ),
    "frozen": EventKind("It does not go on, as everything is frozen.", "It goes on after vmpath thaw."),
    "thawed": EventKind("The freeze is lifted.", "What is left may start."),
    "trouble": EventKind("It broke off with an error of vmpath's.", "It is taken up again, until it works.", "error"),
    "succeeded": EventKind("All that could be done is done.", _NOTHING),
    "failed": EventKind(
        "It ended without what was asked for.",
        "Hosts that it had disabled are enabled again; what was moved stays where it is unless somebody asks for "
        "vmpath rearrangement rollback {id}",
        "error",
    ),
    "cancelled": EventKind(
        "It ended early, as somebody wished.",
        "Hosts that it had disabled are enabled again; what was moved stays where it is unless somebody asks for "
        "vmpath rearrangement rollback {id}",
    ),
    "rolled_back": EventKind("What was moved is back, as far as that was possible.", _NOTHING),
}

_MIGRATION: Mapping[str, EventKind] = {
    "requested": EventKind("It is about to be asked of Nova.", "Nova's answer is waited for."),
    "accepted": EventKind("Nova has accepted it.", _FOLLOWED),
    "running": EventKind("Nova is at it.", _FOLLOWED),
    "switching": EventKind("The instance goes on at the destination, its memory follows.", _FOLLOWED),
    "verifying": EventKind(
        "Nova says that it has ended.", "Whether the instance is where and as it should be is looked at, twice."
    ),
    "done": EventKind(
        "The instance is at its destination, in the state that it had.", "What waited for it may start."
    ),
    "failed": EventKind(
        "It has come to nothing.",
        "What goes on is for [executor] on_failure to say, and an event of its own.",
        "error",
    ),
    "skipped": EventKind(
        "It was given up before it was asked for.", "What depends on it is given up too, or planned anew.", "warning"
    ),
    "replaced": EventKind("A new plan has done away with it.", "The steps of the new plan take its place."),
    "pending": EventKind("It waits to be asked for.", "It is asked for when there is room."),
    "retrying": EventKind("It came to nothing, and is tried again.", "It is asked for again after a pause."),
    "waiting": EventKind("Something keeps it from starting.", "It starts as soon as that has passed."),
    "held": EventKind("Nova or Placement wants fewer requests.", "It is asked for again later, more slowly."),
    "answer_lost": EventKind(
        "Nova's answer to the request was lost.",
        "Nova is watched for what became of it; it is not asked for again before that is sure.",
        "warning",
    ),
    "diverting": EventKind("Its destination does not take it.", "Another destination is looked for."),
    "diverted": EventKind("Another destination was found.", "It is asked for with the new destination."),
    "not_diverted": EventKind("There is no other destination.", "It is given up.", "warning"),
    "not_converging": EventKind(
        "The guest writes faster than its memory is copied.",
        "It is switched to post-copy, paused or aborted as its mode and the declarations of its aggregate say.",
        "warning",
    ),
    "stuck": EventKind(
        "Nova's record has not changed for long.",
        "It is followed on; what waits for it does not start before it has ended.",
        "warning",
    ),
    "needs_operator": EventKind("It ended in a way that only a person can mend.", "Somebody looks at it.", "error"),
    "abort": EventKind("Nova is asked to abort it.", _FOLLOWED, "warning"),
    "force_complete": EventKind("Nova is asked to complete it by all means.", _FOLLOWED),
    "confirm": EventKind("Nova is asked to keep the instance where it is now.", _FOLLOWED),
    "revert": EventKind("Nova is asked to bring the instance back to where it was.", _FOLLOWED),
    "reset_state": EventKind("Nova is asked to call the instance active again.", _FOLLOWED),
    "demand_accepted": EventKind("Nova has accepted what was demanded of it.", _FOLLOWED),
    "demand_refused": EventKind("Nova has refused what was demanded of it.", "It is demanded again later.", "warning"),
}

_HOST: Mapping[str, EventKind] = {
    "disabled": EventKind("A step of a plan has disabled a host.", "The steps that waited for it may start."),
    "enabled": EventKind("A step of a plan has enabled a host.", "The steps that waited for it may start."),
    "failed": EventKind("A step of a plan on a host has come to nothing.", "What depends on it is given up.", "error"),
    "quarantined": EventKind(
        "Several migrations to or from a host have failed in a row.",
        "Nothing goes to or from it until it is released (vmpath host release) or its quarantine is over.",
        "warning",
    ),
    "absolved": EventKind("A host is not in quarantine any more.", "Migrations go to and from it again."),
}

_MAINTENANCE: Mapping[str, EventKind] = {
    "scheduled": EventKind("A maintenance is planned.", "At its start its hosts are disabled and emptied."),
    "short": EventKind(
        "It does not fit as things are.", "Make room before it starts: it is looked at again then.", "warning"
    ),
    "late": EventKind("It begins later than planned.", "Its hosts are disabled and emptied now.", "warning"),
    "outlook": EventKind("What it is going to take was worked out.", "At its start it is worked out again."),
    "waiting": EventKind(
        "Another maintenance is still at work on its hosts.", "It begins when that one is over.", "warning"
    ),
    "put_off": EventKind(
        "Which hosts can be emptied now cannot be found out.", "It is tried again every few seconds.", "warning"
    ),
    "draining": EventKind("Hosts are disabled and being emptied.", "When Nova and Placement call them empty: ready."),
    "again": EventKind("Hosts are not empty yet.", "They are drained again."),
    "ready": EventKind(
        "Hosts are empty and disabled.", "The work is done: by its hook, or by people who then complete it."
    ),
    "hook": EventKind("The hook that does the work has begun.", "Its end is waited for."),
    "hook_lost": EventKind(
        "vmpath ended while the hook was running.",
        "Somebody looks at the hosts, and completes or cancels it.",
        "error",
    ),
    "hook_done": EventKind("The hook has done the work.", "The hosts come back into service."),
    "powered_off": EventKind("Hosts are powered off.", "The work is done by people, who then complete it."),
    "completed": EventKind("Somebody says that the work is done.", "The hosts come back into service."),
    "overdue": EventKind("The work takes longer than expected.", "It is waited for.", "warning"),
    "returning": EventKind("The hosts come back.", "When their compute services are up they are enabled."),
    "returned": EventKind("Hosts are back in service.", "The next round begins, or what was asked for afterwards."),
    "not_ours": EventKind("Hosts stay disabled, as somebody else disabled them.", "Whoever did may enable them."),
    "paused": EventKind("No further round begins.", "It waits for vmpath maintenance resume {id}"),
    "resumed": EventKind("It goes on.", "The next round begins when it fits."),
    "cancelling": EventKind("Somebody has cancelled it.", "What is in flight is followed to its end, then it ends."),
    "trouble": EventKind("It broke off with an error of vmpath's.", "It is taken up again, until it works.", "error"),
    "done": EventKind("The maintenance is over.", _NOTHING),
    "failed": EventKind(
        "The maintenance went wrong.", "Hosts that it keeps disabled wait until somebody has looked at them.", "error"
    ),
    "cancelled": EventKind("The maintenance ended early, as somebody wished.", _NOTHING),
}

_SCHEDULE: Mapping[str, EventKind] = {
    "created": EventKind("A schedule was made.", "Its policy runs at its times."),
    "enabled": EventKind("A schedule runs again.", "Its policy runs at its next time; what it missed is left out."),
    "disabled": EventKind("A schedule does not run for now.", "It waits for vmpath schedule enable {id}"),
    "run": EventKind("A run of a schedule has begun a rearrangement.", "The events of that rearrangement."),
    "missed": EventKind("A run fell into a time without vmpath, and is left out.", "The next run.", "warning"),
    "failed": EventKind("A run could not begin.", "The next run.", "error"),
}

_ENGINE: Mapping[str, EventKind] = {
    "frozen": EventKind("Everything is frozen.", "Nothing new starts anywhere until vmpath thaw.", "warning"),
    "thawed": EventKind("The freeze is lifted.", "What waited goes on."),
}

_CLOUD: Mapping[str, EventKind] = {
    "unreachable": EventKind(
        "The cloud cannot be read.",
        "Nothing is decided until it can; what is in flight is in Nova's hands.",
        "warning",
    ),
    "reached": EventKind("The cloud answers again.", "What waited for that goes on."),
}

KINDS: Mapping[str, EventKind] = {
    f"{noun}.{name}": kind
    for noun, kinds in (
        ("rearrangement", _REARRANGEMENT),
        ("migration", _MIGRATION),
        ("host", _HOST),
        ("maintenance", _MAINTENANCE),
        ("schedule", _SCHEDULE),
        ("engine", _ENGINE),
        ("cloud", _CLOUD),
    )
    for name, kind in kinds.items()
}


def find(kind: str) -> EventKind:
    """What is known of a kind of event; of an unknown one that it is unknown."""
    return KINDS.get(kind, _UNKNOWN)

"""What has to hold besides rights: clocks, tokens, versions. Pure."""

from __future__ import annotations

from collections.abc import Collection

from vmpath_service.cloud.microversions import Microversions
from vmpath_service.cloud.rights import Finding, Verdict

# The Date header has whole seconds, and the way takes time.
_SKEW_NOTICED_S = 3.0
# Tokens and the overlap of readings bear about this much.
_SKEW_BORNE_S = 30.0


def judge_clock(service: str, ahead_s: float, uncertain_s: float) -> Finding:
    """``ahead_s``: how much the clock of a service is ahead of ours, known to ``uncertain_s``."""
    name = f"clock of {service}"
    skew = max(0.0, abs(ahead_s) - uncertain_s)
    word = "ahead of" if ahead_s > 0 else "behind"
    if skew <= _SKEW_NOTICED_S:
        return Finding(name, Verdict.OK, f"agrees with ours within {_SKEW_NOTICED_S:g} s")
    details = f"it is {abs(ahead_s):.0f} s {word} ours"
    if skew <= _SKEW_BORNE_S:
        return Finding(name, Verdict.OK, f"{details}, which does no harm yet", "set both clocks by NTP")
    return Finding(name, Verdict.MISSING, details, "set both clocks by NTP")


def judge_token(life_s: float | None, margin_s: float) -> Finding:
    """``life_s``: how long a new token lives; None where it does not say. ``margin_s``: what a migration may take."""
    name = "life of tokens"
    if life_s is None:
        return Finding(name, Verdict.UNKNOWN, "the token does not say when it expires", "ask whoever gave the token")
    if life_s < margin_s:
        return Finding(
            name,
            Verdict.MISSING,
            f"a new token lives {life_s:.0f} s, a migration may take {margin_s:g} s ([nova] token_margin_seconds)",
            "raise [token] expiration in Keystone, or lower token_margin_seconds to what the longest migration takes",
        )
    details = f"{life_s:.0f} s; renewed before a migration when less than {margin_s:g} s is left"
    return Finding(name, Verdict.OK, details)


def judge_service_user(life_s: float | None, margin_s: float) -> Finding:
    """[service_user] in Nova: nobody can see it from outside."""
    at_least = margin_s if life_s is None else min(margin_s, life_s)
    return Finding(
        "[service_user] of Nova",
        Verdict.UNKNOWN,
        "cannot be seen from outside",
        f"see that nova.conf has send_service_user_token = true: without it a migration that outlives its token, which"
        f" has at least {at_least:g} s left when it starts, can fail in Nova's clean-up",
    )


def judge_declarations(declared: Collection[str], absent: Collection[str]) -> Finding:
    """``declared``: the aggregates that something is declared of, ``absent`` those of them that the cloud lacks."""
    name = "declarations of aggregates"
    if absent:
        details = f"the cloud has no aggregate {', '.join(sorted(absent))}"
        return Finding(name, Verdict.MISSING, details, "see [aggregate:NAME] in the configuration")
    if declared:
        return Finding(name, Verdict.OK, f"of {', '.join(sorted(declared))}")
    return Finding(
        name,
        Verdict.OK,
        "none: instances that forbid post-copy stay where they are, and no migration is forced to complete",
        "declare post_copy_permitted and timeout_action of [aggregate:NAME], or of [aggregate:*] for every host",
    )


def judge_versions(versions: Microversions) -> tuple[Finding, ...]:
    """What cannot be known of a cloud this old: one finding each."""
    name = "microversions"
    spoken = f"Nova speaks 2.{versions.compute}, Placement 1.{versions.placement}"
    notes = versions.notes()
    if not notes:
        return (Finding(name, Verdict.OK, spoken),)
    return tuple(Finding(name, Verdict.UNKNOWN, note, "a newer Nova tells it") for note in notes)

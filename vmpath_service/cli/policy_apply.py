"""A policy's target placement for a snapshot: no cloud, no database, no broker."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmpath_service.cli import scope
from vmpath_service.cli.abridged import MOST, in_line, lines
from vmpath_service.cli.command import DocumentLister
from vmpath_service.cli.policies import chosen

if TYPE_CHECKING:
    from vmpath_service.model.compiled import CompiledCloud
    from vmpath_service.model.placement import Placement
    from vmpath_service.policies.base import Decision, Score
    from vmpath_service.policies.course import Point


PARTIAL = 4
"""Exit status: what was asked for could be done in part only."""


class Apply(DocumentLister):
    """Compute a policy's target placement for a snapshot.

    NAME is a section of the configuration or a plug-in with its defaults. The score before and after, and what
    had to be left where it is, go to stderr: of long lists the beginning, with ``vmpath -v`` all of them.
    """

    columns = ("instance", "name", "source", "dest", "why")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("policy", metavar="NAME", help="a configured policy, or a driver such as consolidate")
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud as it is")
        parser.add_argument(
            "--curve", metavar="FILE", help="write the score after each migration to a file, as JSON ('-': to stderr)"
        )
        scope.add_settings(parser)
        scope.add_scope(parser)
        return parser

    def make(self, parsed_args: argparse.Namespace) -> Placement:
        from vmpath_service.model import files
        from vmpath_service.model.compiled import compile_cloud
        from vmpath_service.model.placement import Placement
        from vmpath_service.policies.base import Scope
        from vmpath_service.policies.deciding import decide

        policy = chosen(self.app, parsed_args.policy, dict(parsed_args.settings))
        self._cloud: CompiledCloud = compile_cloud(files.load_snapshot(parsed_args.snapshot))
        reach = Scope(tuple(parsed_args.zone), tuple(parsed_args.aggregate), tuple(parsed_args.host))
        decision = decide(policy, self._cloud, reach)
        self._reasons = decision.reasons
        if parsed_args.curve:
            save_curve(decision, parsed_args.curve)
        names = {each.uuid: each.label() for each in self._cloud.snapshot.instances}
        for line in in_words(decision, names, in_full=self.app.options.verbose_level > 1):
            self.tell(line)
        if decision.shortage:
            self.status = PARTIAL
        return Placement(dict(decision.placement))

    def rows(self, document: Placement) -> Iterator[tuple[Any, ...]]:
        snapshot = self._cloud.snapshot
        for uuid, dest in document.placement.items():
            instance = snapshot.instances[self._cloud.instance_index[uuid]]
            yield (uuid, instance.name or "", instance.host, dest, self._reasons.get(uuid, ""))


def in_words(decision: Decision, names: Mapping[str, str], *, in_full: bool) -> Iterator[str]:
    """What a policy decided, for a person; ``names``: how instances are called. Not ``in_full``: of long lists the
    beginning."""
    yield f"score before: {_score(decision.before)}"
    yield f"score after:  {_score(decision.after)}"
    if len(decision.curve) > 2:
        yield f"on the way: {in_curve(decision.curve)}"
    if decision.emptied:
        yield f"emptied: {in_line(decision.emptied, len(decision.emptied) if in_full else MOST)}"
    for note in decision.notes:
        yield f"note: {note}"
    left = [f"left where it is: {names[each.instance]} on {each.host}: {each.reason}" for each in decision.leftovers]
    yield from left if in_full else lines(left, "vmpath -v names all")
    stay = [f"stays in use: {name}: {reason}" for name, reason in decision.in_use.items()]
    yield from stay if in_full else lines(stay, "vmpath -v names all")
    if decision.shortage:
        yield f"short of what was asked for: {decision.shortage}"


def in_curve(points: Sequence[Point]) -> str:
    """Where a curve passes, at a quarter, half and three quarters of the migrations."""
    last = points[-1].migrations
    shown: list[Point] = []
    for part in (1, 2, 3):
        point = next(each for each in points if each.migrations * 4 >= last * part)
        if 0 < point.migrations < last and (not shown or shown[-1] != point):
            shown.append(point)
    return ", ".join(f"{each.score:.6g} after {each.migrations} of {last} migrations" for each in shown)


def save_curve(decision: Decision, file: str) -> None:
    """The curve as a JSON list of points; raises InvalidFile where the file cannot be written."""
    import msgspec

    from vmpath_service.model.errors import InvalidFile

    text = msgspec.json.format(msgspec.json.encode(decision.curve), indent=1) + b"\n"
    if file == "-":
        sys.stderr.write(text.decode())
        return
    try:
        Path(file).write_bytes(text)
    except OSError as error:
        raise InvalidFile(file, "", f"cannot be written: {error.strerror}") from error


def _score(score: Score) -> str:
    terms = ", ".join(f"{name} {value:.6g}" for name, value in score.terms.items())
    return f"{score.value:.6g} {score.unit}" + (f" ({terms})" if terms else "")

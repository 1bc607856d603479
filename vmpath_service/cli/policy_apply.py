"""A policy's target placement for a snapshot: no cloud, no database, no broker."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vmpath_service.cli import scope
from vmpath_service.cli.abridged import MOST, in_line, lines
from vmpath_service.cli.command import DocumentLister
from vmpath_service.cli.policies import chosen

if TYPE_CHECKING:
    from vmpath_service.model.compiled import CompiledCloud
    from vmpath_service.model.placement import Placement
    from vmpath_service.policies.base import Decision, Score


PARTIAL = 4
"""Exit status: what was asked for could be done in part only."""


class Apply(DocumentLister):
    """Compute a policy's target placement for a snapshot.

    NAME is a section of the configuration or a plug-in with its defaults. The score before and after, and what
    had to be left where it is, go to stderr: of long lists the beginning, with ``vmpath -v`` all of them.
    """

    columns = ("instance", "name", "source", "dest")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("policy", metavar="NAME", help="a configured policy, or a driver such as consolidate")
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud as it is")
        scope.add_settings(parser)
        scope.add_scope(parser)
        return parser

    def make(self, parsed_args: argparse.Namespace) -> Placement:
        from vmpath_service.model import files
        from vmpath_service.model.compiled import compile_cloud
        from vmpath_service.model.placement import Placement
        from vmpath_service.policies.base import Scope

        policy = chosen(self.app, parsed_args.policy, dict(parsed_args.settings))
        self._cloud: CompiledCloud = compile_cloud(files.load_snapshot(parsed_args.snapshot))
        reach = Scope(tuple(parsed_args.zone), tuple(parsed_args.aggregate), tuple(parsed_args.host))
        decision = policy.decide(self._cloud, reach)
        for line in in_words(decision, in_full=self.app.options.verbose_level > 1):
            self.tell(line)
        if decision.shortage:
            self.status = PARTIAL
        return Placement(dict(decision.placement))

    def rows(self, document: Placement) -> Iterator[tuple[Any, ...]]:
        snapshot = self._cloud.snapshot
        for uuid, dest in document.placement.items():
            instance = snapshot.instances[self._cloud.instance_index[uuid]]
            yield (uuid, instance.name or "", instance.host, dest)


def in_words(decision: Decision, *, in_full: bool) -> Iterator[str]:
    """What a policy decided, for a person; not ``in_full``: of long lists the beginning."""
    yield f"score before: {_score(decision.before)}"
    yield f"score after:  {_score(decision.after)}"
    if decision.emptied:
        yield f"emptied: {in_line(decision.emptied, len(decision.emptied) if in_full else MOST)}"
    for note in decision.notes:
        yield f"note: {note}"
    left = [f"left where it is: {each.instance} on {each.host}: {each.reason}" for each in decision.leftovers]
    yield from left if in_full else lines(left, "vmpath -v names all")
    if decision.shortage:
        yield f"short of what was asked for: {decision.shortage}"


def _score(score: Score) -> str:
    terms = ", ".join(f"{name} {value:.6g}" for name, value in score.terms.items())
    return f"{score.value:.6g} {score.unit}" + (f" ({terms})" if terms else "")

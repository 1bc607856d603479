"""Values of declared options, each checked, with one sentence for what is wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg, types
from oslo_log import log

from vmpath_service.cmd.configuration.files import Written
from vmpath_service.conf import nova
from vmpath_service.conf.opts import list_opts
from vmpath_service.model import hints
from vmpath_service.model.errors import InvalidFile, InvalidInput

TOKENS = "keystone_authtoken"
NAMED_SECTIONS = ("policy", "constraint", "aggregate", "hook", "schedule")
"""Kinds of sections that have a name after a colon, and whose options are declared elsewhere."""


class Values:
    """The options of all sections but those of plug-ins.

    ``oslo`` holds them as oslo.config does, for oslo.log.
    """

    def __init__(self, written: Written) -> None:
        """Raises InvalidFile for a section or an option that does not exist and for every wrong value."""
        self._written = written
        self.oslo = cfg.ConfigOpts()
        self._known: dict[str, dict[str, cfg.Opt]] = {}
        self._register("DEFAULT", _log_options())
        for group, options in list_opts():
            self._register(group, options)
        kinds_own = _credentials(written, nova.GROUP)
        self._register(nova.GROUP, kinds_own)
        self._register("oslo_policy", _rule_options())
        if any(section == TOKENS for _, section in written.headings):
            self._register(TOKENS, [*_token_options(), *_credentials(written, TOKENS)])
        self._credentials = tuple(dict.fromkeys(option.dest for option in (*nova.CREDENTIALS, *kinds_own)))
        self._check_names()
        arguments = [part for file in written.files for part in ("--config-file", file)]
        try:
            self.oslo(arguments, project="vmpath", default_config_files=[], default_config_dirs=[], use_env=False)
        except cfg.Error as error:
            raise InvalidInput(f"the configuration cannot be read: {error}") from error
        for group, known in self._known.items():
            for option in known.values():
                self.get(group, option.dest)

    def get(self, group: str, name: str) -> Any:
        """The value of an option; raises InvalidFile if it is wrong."""
        try:
            section = self.oslo if group == "DEFAULT" else self.oslo[group]
            return section[name]
        except (cfg.Error, ValueError) as error:
            option = self._known[group][name]
            written = self._written.last(group, name)
            if written is None:
                raise InvalidInput(f"[{group}] {name}: {error}") from error
            found = "a secret" if option.secret else repr(written.text)
            raise written.wrong(f"found {found}, expected {expected(option)}") from error

    def missing(self, group: str, name: str, why: str) -> InvalidInput:
        """The error for an option that has to be there, in the file that has come last."""
        problem = f"[{group}] {name}: is missing; {why}"
        files = self._written.files
        return InvalidFile(files[-1], f"[{group}] {name}", f"is missing; {why}") if files else InvalidInput(problem)

    def has(self, group: str, name: str) -> bool:
        """Whether a file says anything of it."""
        return self._written.last(group, name) is not None

    def changed(self, group: str, name: str) -> bool:
        """Whether it has another value than by default."""
        return bool(self.get(group, name) != self._known[group][name].default)

    def credentials(self) -> tuple[str, ...]:
        """Names of the options of [nova] that say as whom to ask."""
        return self._credentials

    def error(self, group: str, name: str, problem: str) -> InvalidInput:
        """The error for a value that is wrong for a reason of its own, wherever it comes from."""
        written = self._written.last(group, name)
        return InvalidInput(f"[{group}] {name}: {problem}") if written is None else written.wrong(problem)

    def _register(self, group: str, options: Iterable[cfg.Opt]) -> None:
        known = self._known.setdefault(group, {})
        for option in options:
            if option.dest not in known:
                known[option.dest] = option
                self.oslo.register_opt(option, None if group == "DEFAULT" else group)

    def _check_names(self) -> None:
        for file, section in self._written.headings:
            kind, separator, name = section.partition(":")
            if separator and kind in NAMED_SECTIONS and name:
                continue
            if section not in self._known:
                kinds = [f"{kind}:NAME" for kind in NAMED_SECTIONS]
                meant = hint(section, [*self._known, *kinds])
                raise InvalidFile(file, f"[{section}]", f"there is no such section{meant}")
        for written in self._written.assignments:
            known = self._known.get(written.section)
            if known is not None and written.option not in known:
                raise written.wrong(f"there is no such option{hint(written.option, known)}")


def hint(name: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    return hints.hint(name, known, None)


def expected(option: cfg.Opt) -> str:
    """What is allowed, in words."""
    kind = option.type
    if isinstance(kind, types.Boolean):
        return "yes or no"
    if isinstance(kind, types.List):
        return "names separated by commas"
    if isinstance(kind, types.String) and kind.choices:
        return f"one of {', '.join(kind.choices)}"
    if isinstance(kind, types.Number):
        what = "a whole number" if isinstance(kind, types.Integer) else "a number"
        if kind.min is not None and kind.max is not None:
            return f"{what} from {kind.min:g} to {kind.max:g}"
        if kind.min is not None:
            return f"{what} of at least {kind.min:g}"
        return what if kind.max is None else f"{what} of at most {kind.max:g}"
    return "a text"


class _Collector(cfg.ConfigOpts):
    """Remembers what is registered with it."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[cfg.Opt] = []

    def register_opts(self, opts: Iterable[cfg.Opt], group: Any = None) -> None:
        self.options += opts

    def register_cli_opts(self, opts: Iterable[cfg.Opt], group: Any = None) -> None:
        self.options += opts


def _log_options() -> list[cfg.Opt]:
    """oslo.log's, as options of the files only: oslo.config ends the program over a wrong one of the command line."""
    collector = _Collector()
    log.register_options(collector)
    return collector.options


def _rule_options() -> list[cfg.Opt]:
    """oslo.policy's, which is imported for them only where somebody may ask for its rules."""
    from oslo_policy import opts

    return [copy.deepcopy(option) for _, options in opts.list_opts() for option in options]


def _token_options() -> list[cfg.Opt]:
    """keystonemiddleware's."""
    from keystonemiddleware.auth_token import list_opts as of_tokens

    return [option for _, options in of_tokens() for option in options]


def _credentials(written: Written, group: str) -> list[cfg.Opt]:
    """What the kind of authentication takes that is in use; keystoneauth is asked only then."""
    kind = written.last(group, "auth_type")
    if kind is None or not kind.text:
        return []
    from keystoneauth1 import exceptions, loading

    try:
        options: list[cfg.Opt] = loading.get_auth_plugin_conf_options(kind.text)
    except exceptions.NoMatchingPlugin as error:
        there_are = loading.get_available_plugin_names()
        raise kind.wrong(f"there is no kind of authentication {kind.text!r}{hint(kind.text, there_are)}") from error
    return options

"""Which configuration files there are and what is written in them, word for word."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oslo_config import iniparser

from vmpath_service.model.errors import InvalidFile

DEFAULT_FILE = "/etc/vmpath/vmpath.conf"
DEFAULT_DIRECTORY = "/etc/vmpath/policies.d"
_ENDINGS = (".conf", ".ini")


@dataclass(frozen=True, slots=True)
class Assignment:
    """``option = text`` as written in a section of a file."""

    file: str
    section: str
    option: str
    text: str

    def wrong(self, problem: str) -> InvalidFile:
        """The error that says what is wrong with it."""
        return InvalidFile(self.file, f"[{self.section}] {self.option}", problem)


@dataclass(frozen=True, slots=True)
class Written:
    """All that is written: ``headings`` are (file, section), also of sections without a line, in order."""

    files: tuple[str, ...]
    assignments: tuple[Assignment, ...]
    headings: tuple[tuple[str, str], ...]

    def last(self, section: str, option: str) -> Assignment | None:
        """The one that counts: what is read later overrules."""
        return next((a for a in reversed(self.assignments) if (a.section, a.option) == (section, option)), None)


def find(files: Sequence[str], directories: Sequence[str]) -> tuple[str, ...]:
    """The files to read, in order: those named, then those ending in .conf or .ini of each directory by name.

    With nothing named, /etc/vmpath/vmpath.conf and /etc/vmpath/policies.d where they exist. Raises InvalidFile.
    """
    if not files and not directories:
        files = [DEFAULT_FILE] if os.path.exists(DEFAULT_FILE) else []
        directories = [DEFAULT_DIRECTORY] if os.path.isdir(DEFAULT_DIRECTORY) else []
    found = list(files)
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            raise InvalidFile(directory, "", f"cannot be read as a directory of files: {error.strerror}") from error
        found += [os.path.join(directory, name) for name in names if name.endswith(_ENDINGS)]
    return tuple(found)


def read(files: Sequence[str]) -> Written:
    """What is written in these files; raises InvalidFile."""
    assignments: list[Assignment] = []
    headings: list[tuple[str, str]] = []
    for file in files:
        reader = _Reader(file)
        try:
            reader.parse(Path(file).read_text(encoding="utf-8").splitlines())
        except OSError as error:
            raise InvalidFile(file, "", f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InvalidFile(file, "", "is not a text in UTF-8") from error
        except iniparser.ParseError as error:
            raise InvalidFile(file, f"line {error.lineno}", f"{error.msg}: found {error.line!r}") from error
        assignments += reader.assignments
        headings += [(file, section) for section in reader.sections]
    return Written(tuple(files), tuple(assignments), tuple(headings))


class _Reader(iniparser.BaseParser):
    """The rules of oslo.config's own files: continuation lines, quotes, ``=`` or ``:``."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file
        self.assignments: list[Assignment] = []
        self.sections: list[str] = []

    def new_section(self, section: str) -> None:
        self.sections.append(section)

    def assignment(self, key: str, value: list[str]) -> None:
        if not self.sections:
            raise iniparser.ParseError("expected a section such as [DEFAULT] first", self.lineno, key)
        self.assignments.append(Assignment(self._file, self.sections[-1], key, "\n".join(value)))

"""Typed options of plug-ins, declared without any configuration library.

``conf`` turns them into oslo.config options, the command line parses ``--set NAME=VALUE`` with them, the
HTTP API validates request bodies with them: one declaration, one parser, one error sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from vmpath_service.model.errors import InvalidInput

OptionValue = str | int | float | bool | None | tuple[str, ...] | Mapping[str, float]
Kind = Literal["string", "integer", "number", "boolean", "list", "share"]

_TRUE = frozenset(("1", "true", "yes", "on"))
_FALSE = frozenset(("0", "false", "no", "off"))


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a plug-in.

    ``kind`` ``share`` is a mapping ``NAME:10%, NAME:20%`` to fractions of one. ``None`` as default means
    "not set" and is what an empty text gives. ``check`` looks at a text, or at each text of a list: it raises
    InvalidInput, with a sentence, for one that is wrong; ``form`` is what it expects, in words.
    """

    name: str
    kind: Kind
    help: str
    default: OptionValue = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    check: Callable[[str], object] | None = None
    form: str = ""

    def parse(self, text: str) -> OptionValue:
        """Read a value as written in an ini file or on the command line; raises InvalidInput."""
        text = text.strip()
        if not text:
            return self.default
        try:
            value = self._convert(text)
        except ValueError as error:
            raise InvalidInput(f"option {self.name}: found {text!r}, expected {self.expected()}") from error
        return self.checked(value)

    def checked(self, value: object) -> OptionValue:
        """Validate a value that is already typed (from JSON); raises InvalidInput."""
        fine: bool
        result: OptionValue
        match self.kind:
            case "string":
                fine, result = isinstance(value, str), value  # type: ignore[assignment]
                fine = fine and (not self.choices or value in self.choices)
            case "boolean":
                fine, result = isinstance(value, bool), value  # type: ignore[assignment]
            case "integer":
                fine = isinstance(value, int) and not isinstance(value, bool)
                result = value  # type: ignore[assignment]
            case "number":
                fine = isinstance(value, (int, float)) and not isinstance(value, bool)
                result = value  # type: ignore[assignment]
            case "list":
                if isinstance(value, str):
                    value = [part.strip() for part in value.split(",") if part.strip()]
                names = [part for part in value if isinstance(part, str)] if isinstance(value, (list, tuple)) else []
                fine = isinstance(value, (list, tuple)) and len(names) == len(value)
                fine = fine and (not self.choices or set(names) <= set(self.choices))
                result = tuple(names)
            case "share":
                shares = dict(value) if isinstance(value, Mapping) else {}
                fine = isinstance(value, Mapping) and all(
                    isinstance(name, str) and isinstance(part, (int, float)) and 0 <= part < 1
                    for name, part in shares.items()
                )
                result = shares
        if value is None and self.default is None:
            return None
        if fine and isinstance(value, (int, float)) and not isinstance(value, bool):
            fine = value == value and (self.minimum is None or value >= self.minimum)
            fine = fine and (self.maximum is None or value <= self.maximum)
        if not fine:
            raise InvalidInput(f"option {self.name}: found {value!r}, expected {self.expected()}")
        if self.check is not None:
            for text in (result,) if isinstance(result, str) else result if isinstance(result, tuple) else ():
                try:
                    self.check(text)
                except InvalidInput as error:
                    raise InvalidInput(f"option {self.name}: {error}") from error
        return result

    def expected(self) -> str:
        """What is allowed, for error sentences and generated documentation."""
        if self.form:
            return self.form
        bounds = ""
        if self.minimum is not None and self.maximum is not None:
            bounds = f" from {self.minimum:g} to {self.maximum:g}"
        elif self.minimum is not None:
            bounds = f" of at least {self.minimum:g}"
        elif self.maximum is not None:
            bounds = f" of at most {self.maximum:g}"
        one_of = f" ({', '.join(self.choices)})" if self.choices else ""
        return {
            "string": f"one of {', '.join(self.choices)}" if self.choices else "a text",
            "integer": f"a whole number{bounds}",
            "number": f"a number{bounds}",
            "boolean": "yes or no",
            "list": f"names separated by commas{one_of}",
            "share": "resource classes with percentages below 100, such as MEMORY_MB:10%, VCPU:20%",
        }[self.kind]

    def _convert(self, text: str) -> object:
        match self.kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                if text.lower() in _TRUE or text.lower() in _FALSE:
                    return text.lower() in _TRUE
                raise ValueError(text)
            case "list":
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case "share":
                shares = {}
                for part in text.split(","):
                    name, separator, amount = part.strip().partition(":")
                    if not separator or not name.strip() or not amount.strip().endswith("%"):
                        raise ValueError(part)
                    shares[name.strip()] = float(amount.strip().removesuffix("%")) / 100
                return shares
        return text


def read_options(
    declared: Iterable[Option], given: Mapping[str, object], *, texts: bool, where: str
) -> dict[str, OptionValue]:
    """Complete ``given`` with defaults and check it against what is ``declared``.

    ``texts``: values are texts to be parsed (ini, ``--set``), else typed (JSON). ``where`` names the place
    for the error sentence. Raises InvalidInput for an unknown option or a wrong value.
    """
    known = {option.name: option for option in declared}
    for name in given:
        if name not in known:
            raise InvalidInput(
                f"{where}: there is no option {name!r}; known options: {', '.join(sorted(known)) or 'none'}"
            )
    values: dict[str, OptionValue] = {}
    for name, option in known.items():
        if name not in given:
            values[name] = option.default
            continue
        try:
            raw = given[name]
            values[name] = option.parse(str(raw)) if texts else option.checked(raw)
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error}") from error
    return values

"""Types that msgspec decodes from several threads.

msgspec learns a type when it is first decoded, and shows it to other threads when it knows it in part only: two
threads that decode the same type for the first time at once may end the process by a segmentation fault (seen with
msgspec 0.22, structs and dataclasses alike). So types are learned before there are threads.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_OURS = __name__.partition(".")[0]


def learn(*kinds: type) -> None:
    """Have msgspec know these types, and what they are made of: while one thread knows of them."""
    for kind in kinds:
        msgspec.json.Decoder(kind)


def learn_structs() -> None:
    """Have msgspec know all structs of vmpath that are imported by now; to be called before there are threads."""
    learn(*_ours(msgspec.Struct))


def _ours(base: type) -> Iterator[type]:
    waiting = [base]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.partition(".")[0] == _OURS:
            yield kind

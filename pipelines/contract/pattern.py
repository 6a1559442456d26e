"""Regular expressions of a contract: checked here with Python's engine, run by Java's, which must read them alike."""

from __future__ import annotations

import re
import warnings

# What Python knows and Java does not, or reads otherwise.
_FOREIGN = re.compile(r"\(\?P|\(\?\(|\(\?#|\\Z|\\0|\(\?[a-zA-Z]*[aLu]")
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_QUANTIFIER = re.compile(r"\{\d+(,\d*)?\}")


def fault(pattern: str) -> str | None:
    """What is wrong with a pattern, None where both engines take it."""
    try:
        with warnings.catch_warnings():
            # Python warns of what it may read otherwise one day; Java does today.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
    except (re.error, FutureWarning, RecursionError, OverflowError) as error:
        return str(error)
    if foreign := _FOREIGN.search(pattern):
        return f"'{foreign[0]}' is not portable"
    plain = _ESCAPE.sub("_", pattern)
    for each in _CLASS.findall(plain):
        inside = each.removeprefix("[").removesuffix("]").removeprefix("^")
        if "[" in inside or "]" in inside or "&&" in inside:
            return f"in '{each}', '[', ']' and '&&' need a backslash"
    if "{" in _QUANTIFIER.sub("", _CLASS.sub("_", plain)):
        return "'{' needs a backslash where it is no count"
    return None

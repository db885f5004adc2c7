"""The one error type that a user is meant to read."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that the user can mend: one sentence that names the mend, exit code 2.

    Anything else that escapes is a bug of ours and keeps its traceback.
    """


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not among `known`; offers the nearest ones, or all: a list in its order, as of
    models by size, anything else by the alphabet.
    """
    names = known if isinstance(known, list) else sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        mend = "did you mean " + " or ".join(repr(n) for n in near) + "?"
    else:
        mend = "there are " + ", ".join(names) + "." if names else "none is installed."
    return UserError(f"unknown {what} {name!r}: {mend}")

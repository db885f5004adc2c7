"""Where a completion ends: at one of the published stop strings, or where Python's own tokenizer ends the function."""

from __future__ import annotations

import io
import re
import tokenize

#: What opens something new at the left margin, so that the function before it is over (Chen et al. 2021, §2.2).
FUNCTION_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
#: The same where the completion holds the function's own `def` (the stop words of BigCode's harness for MBPP).
PROGRAM_STOPS = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n```")

_LAYOUT = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def through_function(source: str, name: str) -> str:
    """`source` up to the end of its first top-level function `name`.

    All of it where that function does not occur or nothing follows it, and where Python cannot tell the tokens of
    what comes before its end.
    """
    defines = re.compile(rf"(async\s+)?def\s+{re.escape(name)}\b")
    inside, new_statement = False, True
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in _LAYOUT:
                continue
            if new_statement and token.start[1] == 0:
                if inside:
                    return "".join(f"{line}\n" for line in source.split("\n")[: token.start[0] - 1])
                inside = bool(defines.match(token.line))
            new_statement = token.type == tokenize.NEWLINE
    except (tokenize.TokenError, SyntaxError):
        pass
    return source

"""Suppressions in YAML: the same comments as in Python, told from text by YAML's own rules."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator

from pl_lint.static.suppressions import Suppressions

COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*")


class YamlSuppressions(Suppressions):
    """The suppressions of one YAML file."""

    def _comments(self) -> Iterator[tokenize.TokenInfo]:
        """A ``#`` after a blank, unless it stands in a scalar."""
        scalars = tuple(_scalars(self.text))
        for number, line in enumerate(self.text.split("\n"), 1):
            for match in COMMENT.finditer(line):
                start = number, match.start()
                if not any(first <= start < last for first, last in scalars):
                    end = number, match.end()
                    yield tokenize.TokenInfo(tokenize.COMMENT, match[0], start, end, line)
                    break


Position = tuple[int, int]


def _scalars(text: str) -> Iterator[tuple[Position, Position]]:
    """Where quoted texts and blocks of text begin and end."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for token in yaml.scan(text, Loader=loader):
            if isinstance(token, yaml.ScalarToken):
                first, last = token.start_mark, token.end_mark
                yield (first.line + 1, first.column), (last.line + 1, last.column)
    except yaml.YAMLError:
        return

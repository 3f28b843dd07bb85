"""What the names in code tell, by the words that they are made of."""

from __future__ import annotations

import re

GATHERING = ("gather", "all_reduce", "allreduce", "reduce_tensor", "sync_across")
"""What is in the name of a function that surely brings together what all processes have."""
MAY_GATHER = re.compile("gather|reduce")
"""What is in the names of a class that may do so somewhere, in ways that reading cannot follow."""
MISSING = "not there"
"""What stands among the guards of code that runs where a file or a folder is not there yet."""
RATIO = re.compile(
    r"(dice|dsc|iou|miou|jaccard|f1|f1score|fscore|prec|precision|rec|recall|sensitivity|"
    r"specificity|ppv|npv|tpr|fpr)\d*"
)
"""What a ratio of counts is called, where its denominator is no number of samples."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters: those of ``valConfMat`` are val, conf and mat. There
    is no count in ``discount``."""
    return tuple(word.lower() for word in _WORD.findall(name))


def names_a_ratio(key: str, also: frozenset[str] = frozenset()) -> bool:
    """Whether a key is that of such a ratio, ``val/f1``, or has one of some other words; a loss may
    be a ratio of its own kind."""
    words = re.split(r"[^a-z0-9]+", key.lower())
    return "loss" not in words and (any(map(RATIO.fullmatch, words)) or not also.isdisjoint(words))

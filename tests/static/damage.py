"""What can be wrong with a file: ways to damage its bytes, each a function of chance."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from nesting import FORMS

Damage = Callable[[bytes, random.Random], bytes]

HOOKS = (
    "training_step validation_step test_step predict_step configure_optimizers "
    "on_train_epoch_end on_validation_epoch_end setup train_dataloader forward"
).split()
CLASS = re.compile(rb"^([ \t]*class [^\W\d]\w*)(?:\(([^()\n]*)\))?:", re.MULTILINE)
METHOD = re.compile(rb"\bdef [^\W\d]\w*(?=\(self\b)")


def bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """A few bytes are others: most often the syntax breaks, or the encoding."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut_short(data: bytes, chance: random.Random) -> bytes:
    """A download or an editor that was interrupted."""
    return data[: chance.randrange(len(data) + 1)]


def lines_shuffled(data: bytes, chance: random.Random) -> bytes:
    """A few lines stand elsewhere: sometimes still Python, which uses names before they are."""
    lines = data.split(b"\n")
    for _ in range(chance.randint(1, 6)):
        moved = lines.pop(chance.randrange(len(lines)))
        lines.insert(chance.randint(0, len(lines)), moved)
    return b"\n".join(lines)


def lines_repeated(data: bytes, chance: random.Random) -> bytes:
    """A few lines many times, as generated code has them."""
    lines = data.split(b"\n")
    start = chance.randrange(len(lines))
    piece = lines[start : start + chance.randint(1, 12)]
    return b"\n".join([*lines[:start], *piece * chance.choice([2, 20, 200]), *lines[start:]])


def other_encoding(data: bytes, chance: random.Random) -> bytes:
    """Another line end, a byte order mark, a cookie that is true or not, UTF-16."""
    crlf, cr = data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\r")
    text = data.decode("utf-8", "replace")
    marked, formed = b"\xef\xbb\xbf" + data, data.replace(b"\n\n", b"\n\x0c\n")
    cookie = chance.choice([b"latin-1", b"cp1252", b"rot13", b"nonsense", b"utf-7", b"euc-jp"])
    told = b"# -*- coding: " + cookie + b" -*-\n" + data
    return chance.choice([crlf, cr, marked, formed, told, text.encode("utf-16")])


def nested(data: bytes, chance: random.Random) -> bytes:
    """Something after the code that is nested deeply, long, or both."""
    size = int(10 ** chance.uniform(0.5, 4))
    told = FORMS[chance.choice(sorted(FORMS))](size)
    return data + b"\n" + told.encode() + b"\n"


def as_lightning(data: bytes, chance: random.Random) -> bytes:
    """Every class becomes a LightningModule and many of its methods hooks: the whole reader reads
    it, whatever it is about."""

    def based(match: re.Match[bytes]) -> bytes:
        bases = b", ".join(part for part in (match[2], b"pl.LightningModule") if part)
        return match[1] + b"(" + bases + b"):"

    def hooked(match: re.Match[bytes]) -> bytes:
        return b"def " + chance.choice(HOOKS).encode() if chance.random() < 0.4 else match[0]

    return b"import lightning.pytorch as pl\n" + METHOD.sub(hooked, CLASS.sub(based, data))


def as_it_is(data: bytes, _: random.Random) -> bytes:
    return data


ALL: Mapping[str, Damage] = {
    "as it is": as_it_is,
    "as Lightning": as_lightning,
    "bytes changed": bytes_changed,
    "cut short": cut_short,
    "lines shuffled": lines_shuffled,
    "lines repeated": lines_repeated,
    "other encoding": other_encoding,
    "nested": nested,
}


def damaged(data: bytes, kind: str, seed: str) -> bytes:
    """The same file for the same kind and seed; marked so that the reader takes it for its own."""
    chance = random.Random(seed)
    code = ALL[kind](data, chance)
    if kind not in ("as it is", "as Lightning") and chance.random() < 0.5:
        code = as_lightning(code, chance)
    return code + b"\n# lightning\n"

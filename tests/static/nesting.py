"""Code that is nested deeply, or long, or both: each form of it for a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping

INDENTED = 90
"""What is told by indentation may be nested 100 times, and may stand in a method here."""


def _indented(line: str, size: int, last: str) -> str:
    """A line below itself, again and again; its ``{}`` is the level."""
    levels = range(min(size, INDENTED))
    return "".join(f"{' ' * n}{line.format(n)}\n" for n in levels) + " " * len(levels) + last


def _listed(line: str, size: int) -> str:
    """A line under itself, again and again; ``{0}`` counts and ``{1}`` is the number before."""
    return "\n".join(line.format(n, n - 1) for n in range(1, size + 1))


def _grown(first: str, line: str, size: int) -> str:
    """Each name is made of the one before; the last one is used."""
    return (
        f"x0 = {first}\n{_listed('x{0} = ' + line, size)}\nx = x{size}\nself.log(x, x)\nf(x, y=x)"
    )


FORMS: Mapping[str, Callable[[int], str]] = {
    "brackets": lambda size: "x = " + "[" * size + "]" * size,
    "dictionaries": lambda size: "x = " + "{1: " * size + "1" + "}" * size,
    "calls": lambda size: "x = " + "f(" * size + "1" + ")" * size,
    "attributes": lambda size: "x = a" + ".b" * size,
    "methods": lambda size: "x = a" + ".b()" * size,
    "items": lambda size: "x = a" + "[0]" * size,
    "sums": lambda size: "x = " + " + ".join(["a"] * size),
    "texts": lambda size: "x = " + " + ".join(["f'{a}b'"] * size),
    "powers": lambda size: "x = " + "9 ** " * size + "9",
    "signs": lambda size: "x = " + "-" * size + "1",
    "lambdas": lambda size: "x = " + "lambda: " * size + "1",
    "choices": lambda size: "x = " + "a if b else " * size + "c",
    "comparisons": lambda size: "x = " + " < ".join(["a"] * size),
    "conjunctions": lambda size: "x = " + " and ".join(["a"] * size),
    "arguments": lambda size: "x = f(" + ", ".join(f"a{n}=a" for n in range(size)) + ")",
    "elements": lambda size: "x = [" + "self.log, " * size + "]",
    "elifs": lambda size: "if a == 0: x = 0\n" + _listed("elif a == {0}: x = {0}", size),
    "returns": lambda size: "def f(a):\n" + _listed("  if a.b{0} > {0}: return {0}", size),
    "ifs": lambda size: _listed("if a.b{0}: x{0} = {0}", size),
    "names": lambda size: _grown("0", "{0} if a else x{1}", size),
    "chosen": lambda size: "x = 0\n" + _listed("x = {0} if a else x", size),
    "doubled": lambda size: _grown("[a, b]", "[x{1}, x{1}]", size),
    "doubled sums": lambda size: _grown("a", "x{1} + x{1}", size),
    "doubled calls": lambda size: _grown("a", "f(x{1}, x{1})", size),
    "doubled texts": lambda size: _grown("'ab'", "x{1} + x{1}", size),
    "doubled formats": lambda size: _grown("'ab'", "f'{{x{1}}}{{x{1}}}'", size),
    "doubled calling": lambda size: (
        ("f0 = print\n" + _listed("def f{0}(a):\n  f{1}(a)\n  return f{1}(a)", size))
        + f"\nf{size}(1)"
    ),
    "attributes set": lambda size: _listed("self.x{0} = self.x{1}", size),
    "logs": lambda size: _listed("self.log('x{0}', {0})", size),
    "loops": lambda size: _indented("for x{} in (1, 2, 3):", size, "self.log(f'{x0}{x1}', x2)"),
    "comprehensions": lambda size: "x = [a " + "for a in (1, 2, 3) " * size + "]",
    "tries": lambda size: _listed("try: x = f(x)\nexcept E: x = {0}", size),
    "withs": lambda size: _indented("with a({0}) as x{0}:", size, "x = 1"),
    "conditions": lambda size: _indented("if x{}:", size, "x = 1"),
    "branching": lambda size: _listed("if a.b{0}: x = f(x, {0})\nelse: x = g(x)", size),
    "functions": lambda size: _indented("def f{}(x):", size, "return 1"),
    "classes": lambda size: _indented("class C{}(pl.LightningModule):", size, "x = 1"),
    "bases": lambda size: "class C0: pass\n" + _listed("class C{0}(C{1}): pass", size),
    "diamonds": lambda size: (
        "class C0: pass\nclass D0: pass\n"
        + _listed("class C{0}(C{1}, D{1}): pass\nclass D{0}(D{1}, C{1}): pass", size)
    ),
    "imports": lambda size: _listed("from .m{0} import *", size),
    "starred": lambda size: _grown("[a]", "[*x{1}, *x{1}]", size),
    "joined lists": lambda size: _grown("[1]", "x{1} + x{1}", size),
    "multiplied": lambda size: _grown("[1]", "x{1} * 2", size),
    "spread": lambda size: _grown("{}", "{{**x{1}, 'k{0}': x{1}}}", size),
    "dictionaries of dictionaries": lambda size: _grown("{}", "dict(a=x{1}, b=x{1})", size),
    "objects of objects": lambda size: (
        "import torch\n" + _grown("torch.nn.Linear(1, 1)", "torch.nn.Sequential(x{1}, x{1})", size)
    ),
    "metrics of metrics": lambda size: (
        "from torchmetrics import *\n"
        + _grown("Accuracy()", "MetricCollection([x{1}, x{1}.clone('p')])", size)
    ),
    "lists of modules": lambda size: (
        "from torch.nn import *\n" + _grown("[a]", "ModuleList([*x{1}, x{1}])", size)
    ),
    "appended": lambda size: "x = []\n" + _listed("x.append(x)", size) + "\nself.log(x, x)",
    "keys": lambda size: "x = {" + ", ".join(f"'k{n}': {n}" for n in range(size)) + "}",
    "numbers": lambda size: "x = [" + ", ".join(map(str, range(size))) + "]\nx = x + x + x",
    "walrus": lambda size: "x = " + "(y := " * size + "1" + ")" * size,
    "decorators": lambda size: _listed("@a.b{0}", size) + "\ndef f(): pass",
    "assignments": lambda size: "x = " + " = ".join(f"x{n}" for n in range(size + 1)) + " = [a]",
    "unpacked": lambda size: "x, *y = " + "a, " * size,
    "formats": lambda size: "x = f'" + "{a!r:>{b}}" * size + "'",
    "matches": lambda size: "match a:\n" + _listed(" case {0} | [{0}, *_]: x = {0}", size),
}

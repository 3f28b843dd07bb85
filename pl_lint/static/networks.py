"""Networks of the project that take pretrained weights, and are no LightningModules themselves.

The interpreter reads what Lightning calls. Of a network that stands in a LightningModule this asks
the text: which methods it has, and what they name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pl_lint.facts.sites import NetworkSite
from pl_lint.static.interpreter.classes import classify, method_site
from pl_lint.static.interpreter.parameters import of_method
from pl_lint.static.names import TORCH_MODULES, ClassInfo, Project
from pl_lint.static.naming import bindings, own

PRETRAINED = ".from_pretrained("


def networks(project: Project) -> Iterator[NetworkSite]:
    """Every class of torch's kind in a file that takes pretrained weights."""
    for module in project.modules:
        for info in module.classes.values() if PRETRAINED in module.source.text else ():
            outside = [one for one in project.ancestors(info) if isinstance(one, str)]
            whole = all(one in (*TORCH_MODULES, "abc.ABC") for one in outside)
            if outside and whole and classify(info, project) is None:
                yield _network(info, project)


def _network(info: ClassInfo, project: Project) -> NetworkSite:
    line = [one for one in reversed(project.ancestors(info)) if isinstance(one, ClassInfo)]
    methods = {name: (one, node) for one in line for name, node in one.methods.items()}
    init = methods.get("__init__")
    return NetworkSite(
        name=info.qualified,
        location=info.module.source.location(info.node),
        methods=tuple(method_site(name, one, node) for name, (one, node) in methods.items()),
        parameters=tuple(of_method(init[1], init[0].module, project)) if init else (),
        rebound=frozenset(_rebound(info)),
    )


def _rebound(info: ClassInfo) -> Iterator[str]:
    given = Counter(
        own(target) for part in info.module.source.parts(info.node) for target, _ in bindings(part)
    )
    return (name for name, times in given.items() if name and times > 1)

"""What the hooks of a class return, what its attributes hold, and what it reads of Lightning."""

from __future__ import annotations

from typing import Literal

from pl_lint.facts.branches import Arms
from pl_lint.facts.origins import Origin
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import Value
from pl_lint.findings import Location
from pl_lint.plain import frozen


@frozen
class ReturnSite:
    """One way to leave a hook.

    ``written`` is false where the body ends without ``return``; ``methods`` are the methods that
    the returned expression ends with: ``("detach", "cpu")`` of ``return loss.detach().cpu()``.
    ``nothing_if`` are the names in the condition by which it is None at times, and a value else.
    ``made_on`` is the line that last gives a returned name its value, ``made_of`` the identifiers
    there.
    ``arms``: as those of a CallSite; ``function`` is the one that the ``return`` stands in.
    ``named``: the name or attribute that is returned, if it is one. ``without_graph``: where the
    tensors are made that are returned as they are, and have no gradients: ``torch.zeros(1)``.
    ``loss``: the local name of what is returned, or of the loss in a dict that is written out.
    """

    hook: str
    value: Value
    origin: Origin
    location: Location
    written: bool = True
    methods: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    nothing_if: tuple[str, ...] = ()
    made_on: int = 0
    made_of: tuple[str, ...] = ()
    function: str = ""
    arms: Arms = ()
    named: str = ""
    without_graph: tuple[Location, ...] = ()
    loss: str = ""


@frozen
class ContainerSite:
    """A list or dict that an attribute holds once the class is built.

    ``maker`` is the class of the container (``torch.nn.ModuleList``), empty for Python's own;
    ``modules`` names the classes of the ``torch.nn.Module`` and ``Parameter`` objects in it, as
    far as they are seen. ``handed_on``: a constructor is given it as it is, and may register them.
    ``meant``: it is written out with one thing in it (``self.x = [net]``), or the class takes the
    parameters of what is in it by itself, or needs none. ``sure``: the attribute holds no object in
    its place.
    """

    attribute: str
    maker: str
    modules: tuple[str, ...]
    location: Location
    handed_on: bool = False
    meant: bool = False
    sure: bool = True


@frozen
class ReadSite:
    """``self.attribute`` where Lightning gives the value (``self.trainer``, ``self.device``), or
    where it is a list that the steps fill; ``.grad`` is the gradient of some parameter, where
    something is made of it. ``caught``: in a ``try`` that has an answer to what is
    not there."""

    attribute: str
    hook: str
    function: str
    location: Location
    guards: tuple[str, ...] = ()
    caught: bool = False


@frozen
class LoggedReadSite:
    """A Lightning class reads what was logged under a key: ``trainer.callback_metrics["loss"]``,
    also by ``get``. ``raises``: where there is no such key, it surely raises, and nothing catches
    that; ``whole``: all keys are, as a loop goes over them or a copy keeps them."""

    key: Value
    hook: str
    location: Location
    stage: Stage | None = None
    raises: bool = False
    whole: bool = False


@frozen
class GivenReadSite:
    """A callback reads an attribute of what its hook is given (``of``): ``pl_module.score``."""

    of: str
    attribute: str
    hook: str
    location: Location


@frozen
class ImportSite:
    """A name that a file imports from a package of Lightning, as it is spelled there.

    ``optional``: the import stands in a ``try`` or an ``if``. ``uses`` are the names behind the
    dot where the file uses it: ``("Trainer", "callbacks.EarlyStopping")`` of ``pl``. ``alias``:
    what the file calls it; ``module``: what stands behind ``from``; ``replaced``: that name is
    imported again before anything uses it.
    """

    name: str
    location: Location
    optional: bool = False
    uses: tuple[str, ...] = ()
    alias: str = ""
    module: str = ""
    replaced: bool = False


@frozen
class RemovedNameSite:
    """A name of Lightning that some version no longer has, read through a module that is imported:
    ``pl.plugins.DDPPlugin``, as ``pytorch_lightning.plugins.DDPPlugin``. ``package`` is what the
    file imports, and ``alias`` what it calls that."""

    name: str
    location: Location
    package: str = ""
    alias: str = ""


@frozen
class MemberReadSite:
    """A Lightning class reads a member, of its Trainer or its own, that Lightning had once. ``of``
    is the class that lost it."""

    name: str
    location: Location
    of: Literal["Trainer", "LightningModule"] = "Trainer"

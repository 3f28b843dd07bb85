"""The parts of which scripts are made: the head, a run of the case, what a Trainer is given.

A script is there to be read: it has no option that does nothing and no helper that is not called.
So each part is written for the case at hand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pl_lint.facts.building import Building

MODEL, CHECKPOINT, SEED = "model", "ckpt_path", "seed"
"""What ``run`` may be given: another module than a fresh one, what to go on from, another seed."""
_STAGES = {"fit": ("train", "validate")}
_BASE = ("import sys", "import tempfile")


def script(*parts: str) -> str:
    """The parts two lines apart, as definitions stand in a file."""
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def head(
    building: Building, said: str, standard: Sequence[str] = (), others: Sequence[str] = ()
) -> str:
    """What the script shows, and its imports: of Python's own library, and of others."""
    comment = textwrap.fill(said, 98, initial_indent="# ", subsequent_indent="# ")
    plain_first = sorted({*_BASE, *standard}, key=lambda line: (line.startswith("from"), line))
    lightning = f"import {building.namespace} as L"
    ours = [*(line for line in others if line.startswith("import")), lightning]
    ours += [line for line in others if not line.startswith("import")]
    return "\n".join([comment, *plain_first, "", *ours, "", *imported(building)])


def imported(building: Building) -> Iterator[str]:
    """The import of the case, which need not be installed."""
    for folder in (*building.beside, building.root):
        yield f"sys.path.insert(0, {folder!r})"
    yield f"from {building.module} import {building.case.split('.')[0]}"


def built(building: Building) -> str:
    """The statement that calls the case, and names what it returns."""
    names = ("module", "data", "arguments")[: building.returned]
    left = ", ".join(names) if len(names) > 1 else "".join(f"{name}," for name in names)
    return f"{left or 'module'} = {building.case}()"


def own_arguments(building: Building) -> Iterator[str]:
    """Those of the case that change what training does, within the function that makes a
    Trainer."""
    own = [name for name in building.arguments if name != "callbacks"]
    if own:
        yield f"    settings = {{name: arguments[name] for name in {own}}} | settings"
    if "callbacks" in building.arguments:
        yield '    own = arguments["callbacks"]'
        yield "    own = own if isinstance(own, list) else [own]"
        yield '    settings["callbacks"] = [*settings.get("callbacks", []), *own]'


def run(
    building: Building,
    methods: Sequence[str] = ("fit",),
    options: Sequence[str] = (),
    cut: str = "",
) -> str:
    """``def run(method, ...)``: the case built, seeded, and put through one of the Trainer's
    methods. ``cut`` is the name of a function of the script that each loader passes through."""
    given = (f"{name}={1 if name == SEED else None}" for name in options)
    signature = ", ".join(["method", *given, "**settings"])
    seed = SEED if SEED in options else 1
    lines = [
        f"def run({signature}):",
        '    """A short run of the case on the CPU, seeded: its Trainer and its module."""',
        f"    L.seed_everything({seed}, verbose=False)",
        f"    {built(building)}",
        *(["    module = model or module"] if MODEL in options else []),
        *(_cut(building, methods, cut) if cut else []),
        *own_arguments(building),
        "    usual = {",
        '        "max_epochs": 2,',
        '        "limit_train_batches": 6,',
        '        "limit_val_batches": 4,',
        '        "log_every_n_steps": 1,',
        '        "default_root_dir": tempfile.mkdtemp(),',
        '        "enable_progress_bar": False,',
        '        "enable_model_summary": False,',
        "    }",
        '    trainer = L.Trainer(accelerator="cpu", **(usual | settings))',
        *_called(building, methods, options),
        "    return trainer, module",
    ]
    return "\n".join(lines)


def _called(building: Building, methods: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    last = ", ckpt_path=ckpt_path" if CHECKPOINT in options else ""
    if building.owner in ("module", "datamodule"):
        data = ", datamodule=data" if building.owner == "datamodule" else ""
        yield f"    getattr(trainer, method)(module{data}{last})"
        return
    loaders = {method: ", ".join(_loaders(building, method)) for method in methods}
    given = ", ".join(f'"{method}": [{served}]' for method, served in loaders.items())
    yield f"    given = {{{given}}}"
    yield f"    getattr(trainer, method)(module, *given[method]{last})"


def _loaders(building: Building, method: str) -> Iterator[str]:
    for stage in _STAGES.get(method, (method,)):
        if stage in building.names:
            yield f"data[{building.names[stage]!r}]" if building.owner == "dict" else "data"


def _cut(building: Building, methods: Sequence[str], cut: str) -> Iterator[str]:
    if building.owner == "dict":
        yield f"    data = {{name: {cut}(loader) for name, loader in data.items()}}"
    elif building.owner == "loader":
        yield f"    data = {cut}(data)"
    else:
        owner = "data" if building.owner == "datamodule" else "module"
        stages = {stage for method in methods for stage in _STAGES.get(method, (method,))}
        hooks = [name for stage, name in building.names.items() if stage in stages]
        yield f"    for name in {hooks}:"
        yield f"        load = getattr({owner}, name)"
        yield f"        setattr({owner}, name, lambda load=load: {cut}(load()))"

"""What a freshly forked process does to become one rank of one run, and how it tells its end."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import signal
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from pl_lint.runtime.isolation import reaper
from pl_lint.runtime.isolation.wire import Ending, Files, Frame, RunOrder, write_atomically

LOOPBACK = {"linux": "lo", "darwin": "lo0"}
LAUNCHERS = ("SLURM_", "OMPI_", "PMI_", "PMIX_", "LSB_", "JSM_", "TORCHELASTIC_", "PL_", "LT_")
"""Prefixes by which Lightning would take the user's own job (or Trainer defaults) for ours."""
LAUNCHED = frozenset(
    [
        *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "NODE_RANK"),
        *("GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME"),
        *("MASTER_ADDR", "MASTER_PORT", "PYTEST_CURRENT_TEST"),
    ]
)
LONGEST_TRACEBACK = 20_000
COMPANY = 2.0
"""Seconds that a rank that is done stays for the others, who may still need its store."""


def quiet_environment(directory: str) -> dict[str, str]:
    """Trackers offline and writing into the run's directory; no windows, no stray bytecode."""
    return {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_DIR": directory,
        "MLFLOW_TRACKING_URI": Path(directory, "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3.17 refuses it otherwise
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "COMET_START_ONLINE": "0",
        "COMET_OFFLINE_DIRECTORY": directory,
        "NEPTUNE_MODE": "offline",
        "CLEARML_OFFLINE_MODE": "1",
        "SWANLAB_MODE": "offline",
        # Beside the examples that it found (which are not kept here) hypothesis writes down the
        # constants of the modules that it meets, into the directory it was started in.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(Path(directory, "hypothesis")),
        "TOKENIZERS_PARALLELISM": "false",
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def rank_environment(rank: int, ranks: int, port: int) -> dict[str, str]:
    """What torchrun would set, so that Lightning's TorchElasticEnvironment finds itself launched.

    Nothing for a single process, where Lightning must find no launcher. The addresses keep gloo
    on the loopback device, for machines whose own name does not resolve.
    """
    if ranks == 1:
        return {}
    device = LOOPBACK.get(sys.platform)
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "GROUP_RANK": "0",
        "GROUP_WORLD_SIZE": "1",
        "ROLE_RANK": str(rank),
        "ROLE_WORLD_SIZE": str(ranks),
        "ROLE_NAME": "default",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "pl-lint",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        # No agent keeps the store here: rank 0 does.
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        **({"GLOO_SOCKET_IFNAME": device} if device else {}),
    }


def without_launchers(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the user's own job: pytest itself may be one of torchrun's ranks."""
    return {
        name: value
        for name, value in environment.items()
        if name not in LAUNCHED and not name.startswith(LAUNCHERS)
    }


def of_pytest(environment: Mapping[str, str]) -> dict[str, str]:
    """What pytest says to a process of its own: which worker it is."""
    return {name: value for name, value in environment.items() if name.startswith("PYTEST_")}


def set_environment(additions: dict[str, str]) -> None:
    for name in os.environ.keys() - without_launchers(os.environ).keys():
        del os.environ[name]
    os.environ.update(additions)


def redirect(files: Files, rank: int) -> None:
    """Output goes to files, unbuffered enough to survive a crash; nothing comes from the terminal.

    SIGUSR1 then makes every thread's stack appear in a file, even while the interpreter is stuck
    in C, and so does a fatal signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    sources = {0: os.devnull, 1: str(files.output(rank)), 2: str(files.errors(rank))}
    for target, path in sources.items():
        flags = os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        source = os.open(path, flags, 0o644)
        os.dup2(source, target)
        os.close(source)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    stacks = files.stacks(rank).open("a")
    faulthandler.enable(stacks, all_threads=True)
    faulthandler.register(signal.SIGUSR1, stacks, all_threads=True)


def enter(order: RunOrder, rank: int, parent: int) -> None:
    """Everything between the fork and the user's code."""
    reaper.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    reaper.prefer_as_memory_victim()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    redirect(Files(order.directory), rank)
    set_environment(
        quiet_environment(order.directory) | rank_environment(rank, order.ranks, order.port)
    )
    _tell_lightning_its_rank(rank)
    gc.enable()


def _tell_lightning_its_rank(rank: int) -> None:
    """``rank_zero_only`` reads its rank from the environment at import, here long before the fork.

    (lightning.fabric.utilities.rank_zero; the Trainer sets it again when it is made.)
    """
    module = sys.modules.get("lightning_utilities.core.rank_zero")
    if module is not None:
        module.rank_zero_only.rank = rank


def live(order: RunOrder, rank: int, parent: int, gate: int) -> NoReturn:
    """The whole life of one rank after its fork. ``gate`` opens (ends) when all ranks exist.

    It ends without the interpreter's own shutdown, which would wait for the user's threads and
    workers; they end with the run.
    """
    files = Files(order.directory)
    try:
        enter(order, rank, parent)
        os.read(gate, 1)
        os.close(gate)
        ending = outcome_of(lambda: _run(order, rank))
        write_atomically(files.ending(rank), ending.to_dict())
        if ending.how == "returned":
            _keep_company(files, order.ranks)
    except BaseException:
        traceback.print_exc()
        ending = Ending("raised", code=70)
    flush()
    os._exit(ending.code & 0xFF)


def _run(order: RunOrder, rank: int) -> None:
    if order.case_file is not None:
        named(order.importer)(order.case_file)
    files = Files(order.directory)
    files.started(rank).touch()
    named(order.entry)(order.spec, files.directory, rank)


def _keep_company(files: Files, ranks: int) -> None:
    deadline = time.monotonic() + COMPANY
    others = [files.ending(rank) for rank in range(ranks)]
    while time.monotonic() < deadline and not all(path.exists() for path in others):
        time.sleep(0.005)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def named(path: str) -> Callable[..., object]:
    """The function that ``package.module:function`` names."""
    module, _, function = path.partition(":")
    return getattr(importlib.import_module(module), function)


def outcome_of(action: Callable[[], object]) -> Ending:
    """Run ``action`` and tell how it ended, whatever it does short of ending the process."""
    try:
        action()
    except SystemExit as stop:
        return Ending("exit", code=_exit_code(stop), message=_text(stop), frame=user_frame(stop))
    except BaseException as error:
        shown = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
        frame = user_frame(error)
        return Ending("raised", type(error).__qualname__, _text(error), shown, frame, code=1)
    return Ending("returned")


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    return stop.code if isinstance(stop.code, int) else 1


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"<its message cannot be shown: {type(second).__name__}>"


def is_user_code(path: str) -> bool:
    """Whether a file is neither the standard library's, nor installed, nor ours."""
    installed = sysconfig.get_paths()
    ours = str(Path(__file__).parents[1])
    others = [installed["stdlib"], installed["purelib"], installed["platlib"], ours]
    return not path.startswith("<") and not any(path.startswith(f"{top}{os.sep}") for top in others)


def user_frame(error: BaseException) -> Frame | None:
    """The last line of the user's own code on the way to ``error``."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Frame(error.filename, error.lineno, "<module>")
    frames = [
        Frame(entry.filename, entry.lineno or 0, entry.name)
        for entry in traceback.extract_tb(error.__traceback__)
        if is_user_code(entry.filename)
    ]
    return frames[-1] if frames else None

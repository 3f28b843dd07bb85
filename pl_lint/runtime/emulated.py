"""A GPU without a GPU: a torch device whose tensors are computed on the CPU, and refused where CUDA
refuses them.

The device is torch's spare backend (PrivateUse1). Its tensors are wrappers around CPU tensors that
say ``emulated:0``; each ATen operation on them is unwrapped, computed on the CPU, and wrapped
again. What CUDA refuses, tensors of two devices in one operation, is told to ``refused`` and then
done all the same: so one run finds every fault, and its values are those of the CPU.

Sources: ``torch/utils/backend_registration.py`` and ``test/test_privateuseone_python_backend.py``
(torch 2.13) for the backend, ``aten/src/ATen/TensorIterator.cpp`` (``compute_types``) and
``aten/src/ATen/native/TensorAdvancedIndexing.cpp`` for what CUDA accepts of other devices. Private
interfaces of torch are used here and nowhere else; :func:`install` raises
:class:`CannotEmulate` where they are not there.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._decomp import decompositions
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

from pl_lint.runtime.namespace import Namespace

NAME = "emulated"
CPU = torch.device("cpu")
aten = torch.ops.aten

Operation = Any
"""An ``torch._ops.OpOverload``."""
Libraries = tuple[torch.library.Library, ...]
Refused = Callable[[Operation, Sequence[torch.Tensor]], None]
"""Told of an operation that CUDA refuses, and of the CPU tensors in it."""

COPIES = (aten.copy_.default, aten._to_copy.default, aten._copy_from.default)
"""What takes tensors of two devices because that is what it is for."""
INDEXED = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
"""Their indices may be on the CPU."""
LISTS = (aten.cat.default, aten.stack.default)
"""No iteration over elements: not even a CPU tensor without dimensions is taken."""
ON_CPU = (
    aten._pack_padded_sequence,
    aten._pad_packed_sequence,
    aten.lstm,
    aten.gru,
    aten.rnn_tanh,
    aten.rnn_relu,
    aten._ctc_loss,
    aten.ctc_loss,
    aten.tensor_split,
)
"""Operations with an argument (lengths, batch sizes) that CUDA wants or allows on the CPU."""
LENGTHS = (aten._pack_padded_sequence, aten._pad_packed_sequence)
"""Their second result is on the CPU wherever the first is."""


_RECURRENT = {
    "lstm.input": decompositions.lstm_impl,
    "lstm.data": decompositions.lstm_data_impl,
    "gru.input": decompositions.gru_impl,
    "gru.data": decompositions.gru_impl_data,
}
"""Devices have fused kernels for these cells; a CPU has none, and computes them in parts."""


class CannotEmulate(Exception):
    """The installed torch lacks what the emulation is built on."""


class EmulatedTensor(torch.Tensor):
    """A tensor of any shape and dtype that says it is on the emulated device."""

    on_cpu: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, on_cpu: torch.Tensor) -> EmulatedTensor:
        with torch.inference_mode(on_cpu.is_inference()):  # a view of a usual tensor is none there
            return torch.Tensor._make_wrapper_subclass(
                cls,
                on_cpu.size(),
                strides=on_cpu.stride(),
                storage_offset=on_cpu.storage_offset(),
                dtype=on_cpu.dtype,
                layout=on_cpu.layout,
                device=torch.device(NAME, 0),
                requires_grad=on_cpu.requires_grad,
            )

    def __init__(self, on_cpu: torch.Tensor) -> None:
        self.on_cpu = on_cpu

    @classmethod
    def __torch_dispatch__(
        cls, operation: Operation, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _emulate(operation, args, kwargs or {}, refused=_nobody)

    # What torch does not hand to the dispatcher.

    @property
    def data(self) -> torch.Tensor:
        return self.detach()

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        torch.Tensor.data.__set__(self, value)
        self.on_cpu = _to_cpu(value)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )

    __array__ = numpy

    def __format__(self, specification: str) -> str:
        return self.detach().cpu().__format__(specification)

    def __repr__(self, **kwargs: Any) -> str:
        return f"{self.detach().cpu()!r}"[:-1] + f", device='{NAME}:0')"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Saved as a CPU tensor: a checkpoint can be read where nothing is emulated."""
        return self.detach().cpu().requires_grad_(self.requires_grad).__reduce_ex__(protocol)


def _nobody(operation: Operation, tensors: Sequence[torch.Tensor]) -> None: ...


class Emulation(TorchDispatchMode):
    """Makes factory calls obey ``device="emulated"``, and tells ``refused`` what CUDA refuses."""

    def __init__(self, refused: Refused) -> None:
        super().__init__()
        self._refused = refused

    def __torch_dispatch__(
        self, operation: Operation, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if any(_is_emulated(leaf) for leaf in tree_leaves((args, kwargs))):
            if operation._can_decompose():  # under inference_mode torch leaves this to us
                with self:
                    return operation.decompose(*args, **kwargs)
            return _emulate(operation, args, kwargs, self._refused)
        return operation(*args, **kwargs)


def _is_emulated(leaf: Any) -> bool:
    if isinstance(leaf, torch.device):
        return leaf.type == NAME
    return isinstance(leaf, EmulatedTensor)


def _emulate(operation: Operation, args: Any, kwargs: Any, refused: Refused) -> Any:
    strangers = _strangers(operation, args, kwargs)
    if strangers:
        refused(operation, strangers)
    result = operation(*_to_cpu(args), **_to_cpu(kwargs))
    if not _stays(operation, args, kwargs):
        return args[0] if operation is aten.copy_.default else result
    if operation.overloadpacket in LENGTHS:
        return _wrapped(result[0]), result[1]
    wrapped = tree_map_only(torch.Tensor, _wrapped, result)
    return return_and_correct_aliasing(operation, args, kwargs, wrapped)


def _to_cpu(arguments: Any) -> Any:
    tensors = tree_map_only(EmulatedTensor, lambda tensor: tensor.on_cpu, arguments)
    return tree_map_only(
        torch.device, lambda device: CPU if device.type == NAME else device, tensors
    )


def _wrapped(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if isinstance(tensor, EmulatedTensor) else EmulatedTensor(tensor)


def _stays(operation: Operation, args: Any, kwargs: Any) -> bool:
    """Whether the result is on the emulated device: where it was asked to be, or where the tensors
    are; what is written into is where it was."""
    if operation.is_view or not operation._schema.is_mutable:
        asked = kwargs.get("device")
        return asked is None or asked.type == NAME
    return isinstance(args[0], EmulatedTensor) or not isinstance(args[0], torch.Tensor)


def _strangers(operation: Operation, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The CPU tensors for which CUDA would refuse the operation.

    ``TensorIterator::compute_types``: a CPU tensor without dimensions is taken as a number, unless
    it is written into.
    """
    if operation in COPIES or operation.overloadpacket in ON_CPU:
        return []
    looked_at = (args[0], args[2:]) if operation in INDEXED else (args, kwargs)
    tensors = [x for x in tree_leaves(looked_at) if isinstance(x, torch.Tensor)]
    if not any(isinstance(tensor, EmulatedTensor) for tensor in tensors):
        return tensors if operation in INDEXED else []
    written = args[0] if operation._schema.is_mutable and args else None
    return [
        tensor
        for tensor in tensors
        if not isinstance(tensor, EmulatedTensor)
        and (tensor.dim() > 0 or tensor is written or operation in LISTS)
    ]


@functools.cache
def install() -> Libraries:
    """Register the device with torch; once in a process, for good: a library that is let go takes
    its kernels along.

    Raises :class:`CannotEmulate` where this torch cannot.
    """
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
    except ImportError as error:
        raise CannotEmulate(f"torch {torch.__version__} has no backend in Python") from error
    _setup_privateuseone_for_python_backend(NAME, _DeviceModule())
    torch.nn.Module._apply = _swapping(torch.nn.Module._apply)
    return _kernels()


def _swapping(move: Callable[..., Any]) -> Callable[..., Any]:
    """Moving a module swaps its parameters with the moved ones, as they cannot be changed in place:
    tied weights stay tied, and optimizers keep theirs. Loading must not: it swaps no weight that
    something refers to weakly, such as those of an LSTM."""

    @functools.wraps(move)
    def moved(*args: Any, **kwargs: Any) -> Any:
        before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            return move(*args, **kwargs)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(before)

    return moved


def _kernels() -> Libraries:
    """For what passes by the modes in C++: making a tensor of numbers on the device
    (``torch.tensor(values, device="emulated")``), and reading numbers back from several tensors."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty.memory_format", _empty, "PrivateUse1")
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    library.impl("_local_scalar_dense", _number, "PrivateUse1")
    library.impl("_pin_memory", _pinned, "CPU")
    for name, decomposed in _RECURRENT.items():
        library.impl(name, decomposed, "AutogradPrivateUse1")
    return (library,)


def _empty(size: Any, dtype: Any = None, **options: Any) -> torch.Tensor:
    return EmulatedTensor(torch.empty(size, dtype=dtype))


def _empty_strided(size: Any, stride: Any, dtype: Any = None, **options: Any) -> torch.Tensor:
    return EmulatedTensor(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: torch.Tensor, into: torch.Tensor, non_blocking: bool = False) -> Any:
    _to_cpu(into).copy_(_to_cpu(source))
    return into


def _pinned(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
    """Pinned memory is for what no CPU has; loaders may ask for it from threads of their own."""
    return tensor.clone()


def _number(tensor: torch.Tensor) -> Any:
    return _to_cpu(tensor).item()


class _DeviceModule:
    """What torch looks for as ``torch.emulated``: one device, with the CPU's random numbers."""

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None: ...

    def synchronize(self, device: Any = None) -> None: ...

    def get_rng_state(self, device: Any = None) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: torch.Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]

    def device(self, device: Any) -> Any:
        return contextlib.nullcontext()


def emulated_strategy(namespace: Namespace) -> Any:
    """Lightning's usual strategy for one device, on this one."""
    install()

    class EmulatedAccelerator(namespace.part("accelerators.Accelerator")):  # type: ignore[misc]
        def setup_device(self, device: torch.device) -> None: ...

        def teardown(self) -> None: ...

        def get_device_stats(self, device: Any) -> dict[str, Any]:
            return {}

        @staticmethod
        def parse_devices(devices: Any) -> Any:
            return devices

        @staticmethod
        def get_parallel_devices(devices: Any) -> list[torch.device]:
            return [torch.device(NAME, 0)]

        @staticmethod
        def auto_device_count() -> int:
            return 1

        @staticmethod
        def is_available() -> bool:
            return True

        @staticmethod
        def name() -> str:
            return NAME

    strategy = namespace.part("strategies.SingleDeviceStrategy")
    return strategy(device=torch.device(NAME, 0), accelerator=EmulatedAccelerator())

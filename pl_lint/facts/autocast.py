"""Which operations CUDA's autocast runs in fp32, whatever the inputs.

Source: "CUDA Ops that can autocast to float32" in torch's ``docs/source/amp.md``, and
``AT_FORALL_FP32`` in ``aten/src/ATen/autocast_mode.h`` (torch 2.13). CPU autocast's list is another
one: it keeps many of these in half precision, where a healthy module can overflow.
"""

from __future__ import annotations

_CUDA_FP32 = frozenset(
    """
    acos asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity
    cross_entropy cross_entropy_loss ctc_loss cumprod cumsum dist erfinv exp expm1 fft_fft fft_ifft
    group_norm hinge_embedding_loss huber_loss kl_div l1_loss layer_norm log log10 log1p log2
    log_softmax logsumexp margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss
    multilabel_margin_loss_forward nll_loss nll_loss2d nll_loss_forward nll_loss2d_forward norm
    nuclear_norm pdist poisson_nll_loss pow prod reciprocal renorm rsqrt sinh smooth_l1_loss
    soft_margin_loss softmax softplus stft sum tan triplet_margin_loss linalg_vector_norm
    linalg_matrix_norm
    """.split()
)


def cuda_runs_in_fp32(operation: str) -> bool:
    """Whether CUDA's autocast would run this ATen operation (``_softmax``, ``native_layer_norm``)
    in fp32. The mean is a sum and a division there."""
    name = operation.lstrip("_").removeprefix("native_").rstrip("_")
    return name in _CUDA_FP32 or name == "mean"

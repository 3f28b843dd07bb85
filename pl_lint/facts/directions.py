"""Which way is better? What torchmetrics says of a class is in ``torchmetrics.py``; here is what a
key's name suggests, where no metric object stands behind it."""

from __future__ import annotations

import re

# Words of keys, by what people mean with them. A key with words of both kinds says nothing.
_HIGHER = frozenset(
    "acc accuracy accuracies f1 fbeta auc auroc auprc aupr prauc ap map miou iou jaccard dice "
    "precision recall sensitivity specificity r2 psnr ssim bleu rouge mcc kappa correct "
    "ndcg mrr reward rewards ap50 ap75 map50 map75 pearson spearman".split()
)
_LOWER = frozenset(
    "loss losses error err mse mae rmse mape smape msle nll bce perplexity ppl wer cer fid lpips "
    "eer".split()
)

_OF_THE_FIRST = frozenset("top1 top3 top5".split())
"""Of these an accuracy is meant where nothing else is said."""
_OF_NOTHING = frozenset(
    "train training val valid validation test testing eval dev epoch step avg mean best".split()
)
"""Words that say where or how often, and not what."""
_TURNED = frozenset(
    "neg negative negated minus inverse inverted inv gap diff difference delta drop std var "
    "variance pval pvalue".split()
)
"""``neg_f1`` is the other way round than ``f1``, or it may be; so may ``auc_gap`` (of two sets)."""
_OF_MAPS = frozenset("l1 l2 distance distances".split())
"""``map_l1`` and ``map_distance`` are of feature maps, ``l1_loss`` is a loss."""
_LESS = re.compile(
    r"(?<![a-z\d@])(?<!top[-_/ ])(?:1|one)"
    rf"(?:-(?:{'|'.join(sorted(_HIGHER))})(?![a-z])|[-_ ]?nna?(?![a-z]))"
)
"""``1-acc`` is an error; and ``1-NN-acc`` says how well the nearest neighbour tells generated
samples from real ones, of which a half is best."""


def higher_by_name(key: str) -> bool | None:
    """``val/acc`` should rise, ``val_loss`` fall; ``val_acc_loss`` may be anything."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1_\2", key)  # ``valAcc``; but ``mIoU`` is one word
    words = set(re.findall(r"[a-z]+\d*", f"{apart} {key}".lower()))
    if words & _TURNED or _LESS.search(key.lower()):
        return None
    higher, lower = bool(words & _HIGHER), bool(words & _LOWER)
    what = words - _OF_NOTHING
    higher = higher or (bool(what) and what <= _OF_THE_FIRST)
    if words & _OF_MAPS and not lower:
        return None
    return higher if higher != lower else None

"""Transforms that give another image each time that they are asked, by their names."""

from __future__ import annotations

from pl_lint.facts.values import Made, must_be

LIBRARIES = ("torchvision.", "albumentations.", "monai.", "kornia.", "torchio.")
PREFIXES = ("Random", "Rand")
OTHERS = frozenset(
    [
        # torchvision
        *("ColorJitter", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"),
        # albumentations: what its documentation lists under blur, noise, colour and geometry
        *("HorizontalFlip", "VerticalFlip", "Flip", "Rotate", "ShiftScaleRotate", "Affine"),
        *(
            "GaussNoise",
            "CoarseDropout",
            "ElasticTransform",
            "GridDistortion",
            "HueSaturationValue",
        ),
        *("RGBShift", "ChannelShuffle", "Perspective", "OpticalDistortion", "ISONoise"),
    ]
)


def is_random(transform: Made) -> bool:
    """Whether an object is an augmentation that draws random numbers."""
    last = transform.name.rpartition(".")[2]
    known = transform.name.startswith(LIBRARIES) and (last in OTHERS or last.startswith(PREFIXES))
    probability = transform.argument("p")
    switched_off = probability is not None and must_be(probability, 0)
    return known and not switched_off and last != "RandomApply"

"""Transforms that give another image each time that they are asked, by their names.

From the documentation of torchvision (``transforms`` and ``transforms.v2``), monai, kornia, torchio
and torchaudio, and from the source of albumentations 2.0.8: the classes whose ``get_params`` draws.
Names that albumentations has no more stand here too. What only crops, pads, resizes, normalizes or
converts draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from pl_lint.facts.values import Known, Made, Value, must_be

LIBRARIES = ("torchvision.", "albumentations.", "monai.", "kornia.", "torchio.", "torchaudio.")
PREFIXES = ("Random", "Rand")
"""How all of these libraries call most of them."""
DRAWING: Mapping[str, frozenset[str]] = {
    "torchvision": frozenset(
        "AugMix AutoAugment ColorJitter CutMix ElasticTransform GaussianBlur GaussianNoise JPEG "
        "MixUp ScaleJitter TrivialAugmentWide".split()
    ),
    "albumentations": frozenset(
        # of pixels
        "AdditiveNoise AdvancedBlur Blur CLAHE ChannelDropout ChannelShuffle ChromaticAberration "
        "ColorJitter Defocus Downscale Emboss FDA FancyPCA GaussNoise GaussianBlur GlassBlur "
        "HEStain HistogramMatching HueSaturationValue ISONoise Illumination ImageCompression "
        "JpegCompression MedianBlur MotionBlur MultiplicativeNoise PixelDistributionAdaptation "
        "PlanckianJitter PlasmaBrightnessContrast PlasmaShadow RGBShift RingingOvershoot "
        "SaltAndPepper Sharpen ShotNoise Spatter Superpixels UnsharpMask ZoomBlur "
        # of space
        "Affine AtLeastOneBBoxRandomCrop BBoxSafeRandomCrop CoarseDropout CoarseDropout3D "
        "ConstrainedCoarseDropout CropNonEmptyMaskIfExists CubicSymmetry Cutout D4 "
        "ElasticTransform Erasing Flip FrequencyMasking GridDistortion GridElasticDeform "
        "MaskDropout Morphological Mosaic OpticalDistortion Perspective PiecewiseAffine "
        "PixelDropout Rotate SafeRotate ShiftScaleRotate SquareSymmetry ThinPlateSpline "
        "TimeMasking XYMasking "
        # by imgaug, until 1.3
        "IAAAdditiveGaussianNoise IAAAffine IAAEmboss IAAPerspective IAAPiecewiseAffine "
        "IAASharpen IAASuperpixels".split()
    ),
    "kornia": frozenset(["AutoAugment", "ColorJiggle", "ColorJitter", "TrivialAugment"]),
    "torchaudio": frozenset(
        ["FrequencyMasking", "SpecAugment", "SpeedPerturbation", "TimeMasking"]
    ),
}
BY_CHANCE: Mapping[str, int] = {
    **dict.fromkeys(
        "RandomHorizontalFlip RandomVerticalFlip RandomGrayscale RandomInvert RandomEqualize "
        "RandomAutocontrast".split(),
        0,
    ),
    **dict.fromkeys("RandomAdjustSharpness RandomPosterize RandomSolarize".split(), 1),
    **dict.fromkeys(
        "AutoContrast Equalize GridDropout HorizontalFlip InvertImg Posterize Solarize TimeReverse "
        "ToGray ToSepia Transpose VerticalFlip IAAFliplr IAAFlipud "
        "RandFlip RandFlipd RandFlipD RandFlipDict".split(),
        -1,
    ),
}
"""What is done to an image or not, as chance decides, and always in the same way: the position of
the probability with which it is, -1 where that is only given by name."""
FIXED: Mapping[str, tuple[str, int]] = {
    "torchvision.transforms.GaussianBlur": ("sigma", 1),
    "torchvision.transforms.v2.GaussianBlur": ("sigma", 1),
    "torchvision.transforms.v2.JPEG": ("quality", 0),
}
"""What draws from a range, and draws nothing where a number stands in the place of the range."""


def is_random(transform: Made) -> bool:
    """Whether an object is an augmentation that draws random numbers."""
    last = transform.name.rpartition(".")[2]
    if not transform.name.startswith(LIBRARIES) or last == "RandomApply":
        return False
    if last in BY_CHANCE:
        return not _is_sure(transform, BY_CHANCE[last])
    known = DRAWING.get(transform.name.partition(".")[0], frozenset())
    drawn = (last in known or last.startswith(PREFIXES)) and not _is_told(transform)
    return drawn and not any(must_be(one, 0) for one in _probabilities(transform))


def _probabilities(transform: Made, position: int = -1) -> list[Value]:
    given = (transform.argument("p", position), transform.argument("prob"))
    return [one for one in given if one is not None]


def _is_sure(transform: Made, position: int) -> bool:
    """Whether it is always done, or never."""
    always = transform.argument("always_apply")
    given = _probabilities(transform, position)
    sure = any(must_be(one, chance) for one in given for chance in (0, 1))
    return sure or (always is not None and must_be(always, True))


def _is_told(transform: Made) -> bool:
    """Whether a number is given for what would be drawn, or what nobody knows."""
    if transform.name not in FIXED:
        return False
    given = transform.argument(*FIXED[transform.name])
    if given is None or not isinstance(given, Known):
        return given is not None
    ends = given.value if isinstance(given.value, (tuple, list)) else (given.value,)
    return len(set(ends)) == 1

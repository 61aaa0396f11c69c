"""From a photo's file to the pixels that the model takes: the same bytes as in Loupe.

Needs Pillow 13 or later (older ones resize tall photos in another order) and NumPy.
"""

import numpy as np
from PIL import Image, ImageOps

PADDINGS = {"zeros": "constant", "border": "edge", "reflection": "reflect"}

MAX_PADDING_RATIO = 4


def read_pixels(path, recipe):
    """Return a photo's pixels: uint8 [height, width, 3].

    Args:
        path: a JPEG, PNG, WebP or other file that Pillow opens.
        recipe: ``recipe`` of config.json.
    """
    image = Image.open(path)
    if recipe["decoding"] == "scaled":
        # A large JPEG is decoded at a half, quarter or eighth of its size.
        side = 2 * max(recipe["resize"])
        image.draft(None, (side, side))
    return preprocess(to_rgb(ImageOps.exif_transpose(image)), recipe)


def to_rgb(image):
    """Return an image as 8-bit RGB, white where it is transparent."""
    if image.mode == "I;16":
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def preprocess(image, recipe):
    """Return the pixels of an upright RGB image: uint8 [height, width, 3]."""
    if not recipe.get("greyscale"):
        return np.asarray(resize(image, recipe))
    # Equal channels are resized alike, so one is enough.
    return np.asarray(resize(image.convert("L"), recipe).convert("RGB"))


def resize(image, recipe):
    """Resize and crop an image of one or three channels."""
    height, width = recipe["resize"]
    if recipe["method"] == "crop":
        image = crop_to_aspect(image, height, width)
    elif recipe["method"] == "pad":
        image = pad_to_aspect(image, height, width, recipe["padding"])
    filter_ = Image.Resampling[recipe["interpolation"].upper()]
    image = image.resize((width, height), filter_)
    if not recipe["crop"]:
        return image
    high, wide = recipe["crop"]
    left, top = (width - wide) // 2, (height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def crop_to_aspect(image, height, width):
    """Crop an image around its centre to the aspect ratio of ``height`` and ``width``."""
    scale = min(image.width / width, image.height / height)
    wide, high = max(1, int(scale * width)), max(1, int(scale * height))
    left, top = int((image.width - wide) / 2), int((image.height - high) / 2)
    return image.crop((left, top, left + wide, top + high))


def pad_to_aspect(image, height, width, padding):
    """Pad an image on both sides to the aspect ratio of ``height`` and ``width``."""
    scale = max(image.width / width, image.height / height)
    wide, high = max(1, int(scale * width)), max(1, int(scale * height))
    most = max(MAX_PADDING_RATIO * image.width * image.height, 2**22)
    if wide * high > most:
        # A long strip is scaled down first: padded, it would fill the memory.
        scale = (most / (wide * high)) ** 0.5
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.BOX)
        wide, high = max(1, int(wide * scale)), max(1, int(high * scale))
    left, top = max(0, (wide - image.width) // 2), max(0, (high - image.height) // 2)
    right, bottom = max(0, wide - image.width - left), max(0, high - image.height - top)
    pixels = np.asarray(image)
    widths = ((top, bottom), (left, right), (0, 0))[: pixels.ndim]
    return Image.fromarray(np.pad(pixels, widths, mode=PADDINGS[padding]))

"""Write small fastai exports and their own predictions into the current folder.

The folder has ``photos/LABEL/*.png``. Runs in environments of old fastai versions, so it is plain
Python 3.8 and imports nothing of Loupe. Weights repeat a short pattern, so that the files compress
to a few kilobytes.
"""

import json
import math
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from fastai.vision.all import *  # noqa: E402, F403
from PIL import Image  # noqa: E402

try:
    from fastai.vision.all import vision_learner
except ImportError:  # its name before fastai 2.6
    from fastai.vision.all import cnn_learner as vision_learner
try:
    import safetensors.torch
    import timm
except ImportError:  # not installed with fastai 2.0.0
    safetensors = timm = None

PERIOD = 4099


def label_of(path):
    """Label function of a notebook, which no import needs."""
    return path.parent.name


def labels_of(path):
    """Several labels per photo."""
    return [path.parent.name]


def fill(model):
    """Set weights to a repeated pattern of signs, in about the scale of a usual initialisation."""
    signs = np.random.RandomState(0).randint(0, 2, PERIOD) * 2 - 1
    pattern = torch.from_numpy(signs.astype(np.float32))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not tensor.dtype.is_floating_point:
            continue
        count = tensor.numel()
        values = pattern.repeat(count // PERIOD + 1)[:count].view(tensor.shape)
        if tensor.ndim < 2:
            scaled = values * 0.2 + (1.0 if "weight" in name or "var" in name else 0.0)
        else:
            scaled = values * 2.0 ** round(math.log2(2.0 / tensor[0].numel()) / 2)
        tensor.data.copy_(scaled)


def settle(learner, paths):
    """Fit batch norms and the last layer to the photos, so that answers depend on them."""
    model = learner.model.eval()
    norms = [
        one for one in model.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)
    ]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    images = learner.dls.test_dl(paths, bs=len(paths), num_workers=0).one_batch()[0]
    with torch.no_grad():
        model(images)
        for norm in norms:
            norm.momentum = 0.1
            # Coarse statistics, because archives compress numbers of few bits well.
            scale = 2 ** torch.log2(norm.running_var.sqrt() + norm.eps).round()
            norm.running_mean.copy_((norm.running_mean / scale * 2).round() / 2 * scale)
            norm.running_var.copy_(scale**2)
        last = [one for one in model.modules() if isinstance(one, torch.nn.Linear)][-1]
        if last.bias is None:  # as in fastai's heads, behind a batch norm
            norms[-1].bias.zero_()
        outputs = model.eval()(images)
        mean, std = outputs.mean(0), outputs.std(0)
        last.weight.div_(std[:, None])
        if last.bias is not None:
            last.bias.copy_((last.bias - mean) / std)


class Plain:
    """Namespace of small networks."""

    @staticmethod
    def layers(outputs, channels=3):
        return torch.nn.Sequential(
            torch.nn.Conv2d(channels, 8, 3, stride=2, padding=1),
            torch.nn.BatchNorm2d(8),
            torch.nn.GELU(),
            torch.nn.Conv2d(8, 12, 3, stride=2),
            torch.nn.Hardswish(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(12, outputs),
        )

    @staticmethod
    def xresnet(outputs):
        return xresnet18(n_out=outputs, widen=0.1)  # noqa: F405


def data(folder, items, batches=None, several=False, image=None):
    block = MultiCategoryBlock if several else CategoryBlock  # noqa: F405
    return DataBlock(  # noqa: F405
        (ImageBlock(image or PILImage), block),  # noqa: F405
        get_items=get_image_files,  # noqa: F405
        get_y=labels_of if several else label_of,
        splitter=RandomSplitter(seed=1),  # noqa: F405
        item_tfms=items,
        batch_tfms=batches,
    ).dataloaders(folder, bs=2, num_workers=0)


def cases(folder):
    """Yield a name, a learner: kinds of network, loss and preprocessing."""
    norm = Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False)  # noqa: F405
    bicubic = (Image.BICUBIC, Image.NEAREST)
    squish, pad = ResizeMethod.Squish, ResizeMethod.Pad  # noqa: F405
    loss = CrossEntropyLossFlat  # noqa: F405
    yield (
        "plain",
        Learner(  # noqa: F405
            data(folder, Resize(64), norm),  # noqa: F405
            Plain.layers(3),
            loss_func=loss(),
            metrics=accuracy,  # noqa: F405
        ),
    )
    yield (
        "several",
        Learner(  # noqa: F405
            data(folder, Resize(64, pad, pad_mode="zeros"), norm, several=True),  # noqa: F405
            Plain.layers(3),
            loss_func=BCEWithLogitsLossFlat(thresh=0.4),  # noqa: F405
            metrics=accuracy_multi,  # noqa: F405
        ),
    )
    presized = [*aug_transforms(size=48, min_scale=0.75), norm]  # noqa: F405
    yield (
        "xresnet",
        Learner(  # noqa: F405
            data(folder, Resize(100), presized),  # noqa: F405
            Plain.xresnet(3),
            loss_func=loss(),
            metrics=error_rate,  # noqa: F405
        ),
    )
    cropped = Learner(  # noqa: F405
        data(folder, RandomResizedCrop(64, min_scale=0.5), norm),  # noqa: F405
        Plain.layers(3),
        loss_func=loss(),
    )
    yield "random-crop", cropped
    yield (
        "squish",
        Learner(  # noqa: F405
            data(folder, Resize((48, 72), squish, resamples=bicubic), norm),  # noqa: F405
            Plain.layers(3),
            loss_func=loss(),
        ),
    )
    grey = Normalize.from_stats([0.5], [0.25], cuda=False)  # noqa: F405
    yield (
        "greyscale",
        Learner(  # noqa: F405
            data(folder, Resize(64), grey, image=PILImageBW),  # noqa: F405
            Plain.layers(3, channels=1),
            loss_func=loss(),
        ),
    )
    yield (
        "resized-twice",
        Learner(  # noqa: F405
            data(folder, [Resize(100), Resize((48, 64), squish)], norm),  # noqa: F405
            Plain.layers(3),
            loss_func=loss(),
        ),
    )
    yield (
        "resnet",
        vision_learner(
            data(folder, Resize(96), [*aug_transforms(), norm]),  # noqa: F405
            torchvision.models.resnet18,
            pretrained=False,
            normalize=False,
            loss_func=loss(),
        ),
    )
    yield (
        "weights",
        vision_learner(
            data(folder, Resize(64), norm),  # noqa: F405
            torchvision.models.squeezenet1_1,
            pretrained=False,
            normalize=False,
            loss_func=loss(),
        ),
    )
    if timm is not None:
        yield (
            "timm",
            Learner(  # noqa: F405
                data(folder, Resize(64), norm),  # noqa: F405
                timm.create_model(
                    "lcnet_035" if timm.is_model("lcnet_035") else "mnasnet_small", num_classes=3
                ),
                loss_func=loss(),
            ),
        )


def predict(learner, paths):
    """Return fastai's own probabilities."""
    with learner.no_bar(), learner.no_logging():
        return [learner.predict(path)[2].flatten().tolist() for path in paths]


def write(name, learner):
    """Write an export, or its weights in three formats."""
    if name != "weights":
        learner.export(f"{name}.pkl")
        return
    learner.create_opt()
    learner.save("learn")
    state = learner.model.state_dict()
    torch.save(state, "state.pth")
    if safetensors is not None:
        safetensors.torch.save_file(state, "weights.safetensors")


def main():
    photos = Path("photos")
    paths = sorted(photos.rglob("*.png"))
    found = {"versions": {"python": sys.version.split()[0]}}
    for package in (torch, torchvision, timm, sys.modules["fastai"]):
        if package is not None:
            found["versions"][package.__name__] = package.__version__
    for name, learner in cases(photos):
        fill(learner.model)
        settle(learner, paths)
        learner.path, learner.model_dir = Path(), "."
        write(name, learner)
        found[name] = {
            "labels": [str(label) for label in learner.dls.vocab],
            "photos": [str(path.relative_to(photos)) for path in paths],
            "probabilities": predict(learner, paths),
        }
    Path("predictions.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

"""The parts that a network may be made of: frozen lists of modules and functions.

A class counts only if it is an ``nn.Module`` that its module defines; ``network_builder``
checks that. Nothing outside of these modules is ever imported because a file names it.
"""

import re

ALLOWED = re.compile(
    r"torch\.nn\.modules\.(activation|adaptive|batchnorm|channelshuffle|container|conv|distance"
    r"|dropout|flatten|fold|instancenorm|linear|normalization|padding|pixelshuffle|pooling"
    r"|sparse|transformer|upsampling)"
    r"|torchvision\.models\.(alexnet|convnext|densenet|efficientnet|googlenet|inception|maxvit"
    r"|mnasnet|mobilenet|mobilenetv2|mobilenetv3|regnet|resnet|shufflenetv2|squeezenet"
    r"|swin_transformer|vgg|vision_transformer)"
    r"|torchvision\.ops\.(misc|stochastic_depth)"
    r"|fastai\.layers|fastai\.vision\.learner"
    r"|fastai\.vision\.models\.(tvm|unet|xresnet)"
    # The second is where timm before 0.9 had its layers.
    r"|timm\.layers(\.[a-z0-9_]+)?|timm\.models\.layers(\.[a-z0-9_]+)?"
    # Those that begin with an underscore build, fetch and trace networks; two define layers.
    r"|timm\.models\.([a-z][a-z0-9_]*|_efficientnet_blocks|_features)"
)
"""Modules whose ``nn.Module`` subclasses may be layers of a network."""

REFUSED = re.compile(r"timm\.models\.(hub|factory|registry|helpers|features|fx_features|pruned)")
"""Modules within the above that define no layers."""

NO_LAYERS = {("fastai.layers", "Debugger")}
"""A layer that stops the program when it is called."""

FUNCTIONS = frozenset(
    {
        *(
            f"torch.nn.functional.{name}"
            for name in (
                "celu elu gelu hardsigmoid hardswish hardtanh leaky_relu log_softmax logsigmoid "
                "mish relu relu6 selu sigmoid silu softmax softplus softsign tanh"
            ).split()
        ),
        *(f"torch.{name}" for name in ("relu", "sigmoid", "softmax", "tanh")),
        *(f"torch._C._nn.{name}" for name in ("gelu", "hardsigmoid", "hardswish", "silu")),
        "fastai.imports.noop",
        "fastcore.basics.noop",
        "fastcore.imports.noop",
    }
)
"""Functions that a layer may keep, by exact name."""

HOOKS = frozenset(
    {
        "_forward_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_is_full_backward_hook",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
    }
)
"""Attributes of a layer that hold code which torch calls; none is imported."""


def is_allowed_module(module: str) -> bool:
    """Return True if layers may come from ``module``."""
    return bool(ALLOWED.fullmatch(module)) and not REFUSED.fullmatch(module)


def is_allowed_layer(module: str, name: str) -> bool:
    """Return True if ``module.name`` may be a layer's class."""
    return is_allowed_module(module) and "." not in name and (module, name) not in NO_LAYERS

"""The words for a model's outputs."""

TOP = 3


def print_answer(config, probabilities, novelty=None):
    """Print the likeliest labels, or that the photo shows none of them.

    Of a model with several labels per photo: all that reach its threshold.

    Args:
        config: config.json.
        probabilities: one for each label.
        novelty: the OOD score; None if the model has none.
    """
    threshold = (config["calibration"] or {}).get("ood_threshold")
    is_unknown = novelty is not None and threshold is not None and novelty > threshold
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    shown = order[:TOP]
    if config["multilabel"]:
        present = [index for index in order if is_present(config, probabilities[index])]
        shown, is_unknown = present or shown, is_unknown or not present
    if is_unknown:
        print("none of these; closest:")
    for index in shown:
        print(f"{probabilities[index]:6.1%}  {config['labels'][index]}")


def is_present(config, probability):
    """Return whether a label of a multi-label model is part of the answer."""
    # To six digits, as Loupe decides.
    return round(float(probability), 6) >= config["threshold"]

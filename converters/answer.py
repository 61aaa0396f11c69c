"""The words for a model's outputs."""

TOP = 3


def print_answer(config, probabilities, novelty=None):
    """Print the likeliest labels, or that the photo shows none of them.

    Args:
        config: config.json.
        probabilities: one for each label.
        novelty: the OOD score; None if the model has none.
    """
    threshold = (config["calibration"] or {}).get("ood_threshold")
    if novelty is not None and threshold is not None and novelty > threshold:
        print("none of these; closest:")
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    for index in order[:TOP]:
        print(f"{probabilities[index]:6.1%}  {config['labels'][index]}")

"""Teaching: a few photos of each label and a base's features make a model, in seconds.

from model.teaching import teach

teach("photos/pets").publish("pets")
"""

from .teach_folder import TaughtModel, teach

__all__ = ["TaughtModel", "teach"]

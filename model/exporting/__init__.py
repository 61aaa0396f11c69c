"""Files derived from a bundle, such as those with which a browser runs the model."""

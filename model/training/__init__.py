"""Where fastai lives: rebuilding a learner, compiling it, building the bundles that ship."""

"""Training a backbone; needs the `train` extra."""

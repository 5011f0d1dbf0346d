"""Scripts that are also modules: benches."""

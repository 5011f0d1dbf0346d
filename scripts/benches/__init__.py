"""One module per benchmark: `run(arguments) -> dict` returns every figure it claims."""

"""Fuzzing: what reads files of others must answer any bytes with a result or a named error."""

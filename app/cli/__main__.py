"""`python -m app.cli` is `knownface`."""

from app.cli.main import entry

if __name__ == "__main__":
    entry()

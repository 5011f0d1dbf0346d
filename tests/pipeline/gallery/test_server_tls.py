"""Whether a connection to a server elsewhere has to be encrypted; nothing is connected to."""

from __future__ import annotations

import pytest

from pipeline.gallery import server


def options_of(location, monkeypatch, **variables):
    """What the driver would be given."""
    for name in ("PGSSLMODE", "PGSERVICE", "PGHOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    engine = server.server_engine(server.read_url(location), "label", 1.0)
    _, options = engine.dialect.create_connect_args(engine.url)
    for listener in engine.dialect.dispatch.do_connect:
        listener(engine.dialect, None, [], options)
    return options


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://u:p@db1/gallery",
        "postgresql://u:p@192.0.2.7:5433/gallery",
        "postgresql://u:p@/gallery?host=db1:5432&host=127.0.0.1:5432",
        "postgresql://u:p@/gallery?hostaddr=2001:db8::1",
    ],
)
def test_to_another_machine_it_is_encrypted(location, monkeypatch):
    assert options_of(location, monkeypatch)["sslmode"] == "require"


@pytest.mark.parametrize(
    "location",
    [
        "postgresql:///gallery",
        "postgresql://u:p@127.0.0.1:5432/gallery",
        "postgresql://u:p@localhost/gallery",
        "postgresql://u:p@[::1]/gallery",
        "postgresql:///gallery?host=/run/postgresql",
        "postgresql://u:p@/gallery?host=127.0.0.1:5432&host=127.0.0.1:5433",
    ],
)
def test_on_this_machine_it_need_not_be(location, monkeypatch):
    assert "sslmode" not in options_of(location, monkeypatch)


@pytest.mark.parametrize("mode", ["disable", "prefer", "verify-full"])
def test_what_the_url_says_counts(mode, monkeypatch):
    assert options_of(f"postgresql://db1/gallery?sslmode={mode}", monkeypatch)["sslmode"] == mode
    assert "sslmode" not in options_of("postgresql://db1/gallery", monkeypatch, PGSSLMODE=mode)


def test_a_host_out_of_the_environment(monkeypatch):
    assert options_of("postgresql:///gallery", monkeypatch, PGHOST="db1")["sslmode"] == "require"

"""Environments of the exporter, read as settings."""

import os
from contextlib import contextmanager
from unittest import mock

import pytest

from exporter.config import settings, variables
from exporter.config.declaration import PREFIX

URL = "https://backend.example/events"


@contextmanager
def environment(**changes):
    """Set APP_INTEGRATIONS_* variables for a block: a usable URL, and *changes*."""
    named = {PREFIX + name: value for name, value in ({"URL": URL} | changes).items()}
    with mock.patch.dict(os.environ, named):
        yield


def loaded(**changes):
    """Return the settings in such an environment."""
    with environment(**changes):
        return settings.load()


def mistakes(**changes):
    """Return the mistakes in such an environment, without the prefix of names."""
    with pytest.raises(settings.SettingsError) as raised:
        loaded(**changes)
    assert all(line in str(raised.value) for line in raised.value.mistakes)
    return [line.replace(PREFIX, "") for line in raised.value.mistakes]


def unknown(**changes):
    """Return the lines about unknown variables, without the prefix of names."""
    with environment(**changes):
        return [line.replace(PREFIX, "") for line in variables.unknown()]

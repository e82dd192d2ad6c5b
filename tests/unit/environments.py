"""Environments of the exporter, read as settings."""

import os
from contextlib import contextmanager
from unittest import mock

import pytest

from exporter.config import settings
from exporter.config.declaration import PREFIX

URL = "https://backend.example/events"


@contextmanager
def environment(**variables):
    """Set APP_INTEGRATIONS_* *variables* for a block, a usable URL among them."""
    named = {PREFIX + name: value for name, value in ({"URL": URL} | variables).items()}
    with mock.patch.dict(os.environ, named):
        yield


def loaded(**variables):
    """Return the settings in *variables*."""
    with environment(**variables):
        return settings.load()


def mistakes(**variables):
    """Return the mistakes in *variables*, without the prefix of names."""
    with pytest.raises(settings.SettingsError) as raised:
        loaded(**variables)
    assert all(line in str(raised.value) for line in raised.value.mistakes)
    return [line.replace(PREFIX, "") for line in raised.value.mistakes]

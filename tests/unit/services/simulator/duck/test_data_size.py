"""How much data an instance has."""

import pytest

from services.simulator.settings import USERS, SimulatorSettings


@pytest.mark.parametrize("size", USERS)
def test_a_size_is_a_number_of_users(size):
    assert SimulatorSettings(data_size=size).users == USERS[size]


def test_a_number_of_users_counts_more_than_a_size():
    assert SimulatorSettings(data_size="large", users=99).users == 99


def test_the_sizes_can_be_given_in_the_environment(monkeypatch):
    monkeypatch.setenv("AMCFLOW_SIMULATOR_DATA_SIZE", "medium")
    assert SimulatorSettings().users == USERS["medium"]

    monkeypatch.setenv("AMCFLOW_SIMULATOR_USERS", "77")
    assert SimulatorSettings().users == 77

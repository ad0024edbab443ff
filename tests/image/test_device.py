"""Devices by name, and the measured choice of a precision."""

import time

import pytest
import torch

from dima.errors import BackendError
from dima.image import device


def test_auto_is_the_first_that_is_there(monkeypatch):
    there = {"cuda": lambda: False, "mps": lambda: True, "cpu": lambda: True}
    monkeypatch.setattr(device, "_THERE", there)
    place, message = device.choose("auto", "Trainer")
    assert place.type == "mps"
    assert message == "Trainer: runs on mps: the fastest that is here."


def test_the_cpu_says_what_is_missing(monkeypatch):
    there = {"cuda": lambda: False, "mps": lambda: False, "cpu": lambda: True}
    monkeypatch.setattr(device, "_THERE", there)
    assert device.choose()[1] == "image: runs on cpu: no cuda, mps."
    with pytest.raises(BackendError, match=r"those here, cpu; got 'cuda'\. Pass \"auto\"\."):
        device.choose("cuda")


def test_another_name_is_refused():
    with pytest.raises(BackendError, match=r"one of auto, cuda, mps, cpu; got 'tpu'"):
        device.choose("tpu")


def test_the_faster_precision_is_told_by_the_clock():
    def slow_in_half():
        if torch.is_autocast_enabled("cpu"):
            time.sleep(0.01)

    def slow_in_full():
        if not torch.is_autocast_enabled("cpu"):
            time.sleep(0.01)

    cpu = torch.device("cpu")
    assert not device.bf16_is_faster(slow_in_half, cpu)
    assert device.bf16_is_faster(slow_in_full, cpu)


def test_the_clock_waits_for_the_device(monkeypatch):
    done, left = [], []

    def wait():
        done.extend(left)
        left.clear()

    monkeypatch.setitem(device._WAIT, "cpu", wait)
    device.bf16_is_faster(lambda: left.append(torch.is_autocast_enabled("cpu")), torch.device("cpu"))
    assert done == [True] * 4 + [False] * 4
    assert not left


def test_work_that_has_no_half_precision_runs_in_full():
    def work():
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for BFloat16")

    assert not device.bf16_is_faster(work, torch.device("cpu"))

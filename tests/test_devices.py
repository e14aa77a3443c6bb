"""Devices: precision by capability; and, alone, a process has the whole share."""

import pytest
import torch
from accelerate import PartialState

from unet_course import devices


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch):
    monkeypatch.delenv("UNET_COURSE_PRECISION", raising=False)


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 5), "fp16"), ((6, 1), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")],
)
def test_a_gpu_trains_in_bf16_only_where_it_has_units_for_it(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)  # counts emulation
    assert devices.choose_precision(torch.device("cuda")) == precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({}, "no"),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, "no"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
    ],
)
def test_a_cpu_trains_in_bf16_only_where_it_has_units_for_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert devices.choose_precision(torch.device("cpu")) == precision


def test_apple_gpus_and_older_torch_train_in_float32(monkeypatch):
    assert devices.choose_precision(torch.device("mps")) == "no"
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert devices.choose_precision(torch.device("cpu")) == "no"


@pytest.mark.parametrize("device", ["cuda", "cpu", "mps"])
def test_the_environment_may_name_the_precision(monkeypatch, device):
    for precision in devices.PRECISIONS:
        monkeypatch.setenv("UNET_COURSE_PRECISION", precision)
        assert devices.choose_precision(torch.device(device)) == precision
    monkeypatch.setenv("UNET_COURSE_PRECISION", "fp32")
    with pytest.raises(ValueError, match="UNET_COURSE_PRECISION='fp32': expected one of no, bf16"):
        devices.choose_precision(torch.device(device))


def test_a_process_that_is_alone_has_the_whole_share():
    items = ["a", "b", "c"]
    assert devices.share(items) == items
    assert devices.collect(item.upper() for item in items) == ["A", "B", "C"]
    assert devices.collect([]) == []


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_the_shares_of_all_processes_are_the_whole_and_keep_its_order(n, monkeypatch):
    items = list(range(17))
    parts = []
    for index in range(n):
        process = type("Process", (), {"process_index": index, "num_processes": n})
        monkeypatch.setattr(devices, "this_process", lambda process=process: process)
        parts.append(devices.share(items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    monkeypatch.setattr(devices, "gather_object", lambda _mine: parts)
    assert devices.collect(parts[0]) == items


def test_a_copy_of_a_process_that_was_alone_looks_for_its_fellows_anew(monkeypatch):
    devices.this_process()
    asked = []
    monkeypatch.setattr(PartialState, "_reset_state", staticmethod(lambda: asked.append(True)))
    monkeypatch.setenv("WORLD_SIZE", "1")
    devices.this_process()
    assert not asked
    monkeypatch.setenv("WORLD_SIZE", "2")
    devices.this_process()
    assert asked


def test_only_a_lost_connection_is_taken_for_one():
    gloo = RuntimeError("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:1")
    assert devices.lost_connection(gloo)
    assert not devices.lost_connection(RuntimeError("CUDA out of memory"))

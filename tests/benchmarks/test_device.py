from __future__ import annotations

import torch
from device import Device

from tests.gpu import needs_gpu


def test_the_processor_is_measured_as_a_process() -> None:
    device = Device(is_gpu=False)
    device.wait()
    assert device.options == {"use_gpu": False, "gpu_id": ""}
    assert 0 < device.memory_now() <= device.peak_memory()
    assert (device.name, device.suffix, device.described()) == ("cpu", "", {})


@needs_gpu
def test_a_gpu_is_measured_by_its_tensors() -> None:
    device = Device(is_gpu=True)
    before = device.memory_now()
    held = torch.zeros(2**20, device=device.name)
    device.wait()
    assert device.memory_now() == before + held.nbytes <= device.peak_memory()
    assert device.described() == {"GPU": torch.cuda.get_device_name(0)}

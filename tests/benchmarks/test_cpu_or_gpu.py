from __future__ import annotations

import torch
from cpu_or_gpu import Device

from tests.gpu import needs_gpu


def test_the_processor_is_measured_as_a_process() -> None:
    device = Device(is_gpu=False)
    device.synchronize()
    assert device.options == {"use_gpu": False, "gpu_id": ""}
    assert 0 < device.current_memory() <= device.peak_memory()
    assert (device.name, device.name_suffix, device.description()) == ("cpu", "", {})


@needs_gpu
def test_a_gpu_is_measured_by_its_tensors() -> None:
    device = Device(is_gpu=True)
    before = device.current_memory()
    held = torch.zeros(2**20, device=device.name)
    device.synchronize()
    assert device.current_memory() == before + held.nbytes <= device.peak_memory()
    assert device.description() == {"GPU": torch.cuda.get_device_name(0)}

"""What the tests of a GPU share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no GPU that PyTorch sees"
)

ON_GPU: dict[str, Any] = {"use_gpu": True, "gpu_id": "0"}

r"""Coordinate search over the two score weights of KGIF, a step per validation.

A step doubles or halves one weight. Only after steps along both coordinates have failed
are both weights changed, that is, relative to the item bias: a search along the
coordinates alone can get stuck far from the best weights. The state of the search is
part of the model, and so of its checkpoints.
"""

from __future__ import annotations

from typing import Optional

from torch import Tensor

from .kgif import KGIF

_SINGLE_STEPS = ((0.5, 1.0), (1.0, 2.0), (2.0, 1.0), (1.0, 0.5))
_JOINT_STEPS = ((0.5, 0.5), (2.0, 2.0))


def candidate_score_weights(model: KGIF) -> Optional[Tensor]:
    """The score weights to compare with the current ones at the next validation.

    Args:
        model: the model

    Returns:
        (p, q), one of them or both doubled or halved, shape: [2]; None without walks
    """
    if model.walks is None:
        return None
    n_joint = int(model.n_failed_steps) - len(_SINGLE_STEPS)
    single = _SINGLE_STEPS[int(model.next_step)]
    factors = _JOINT_STEPS[n_joint] if n_joint >= 0 else single
    return model.balance * model.balance.new_tensor(factors)


def update_score_weights(model: KGIF, accepted: bool) -> None:
    """Take the next step of the search.

    Args:
        model: the model
        accepted: whether the candidate replaces the current weights
    """
    candidate = candidate_score_weights(model)
    if candidate is None:
        return
    if accepted:
        model.balance.copy_(candidate)
    n_failed = int(model.n_failed_steps)
    if n_failed < len(_SINGLE_STEPS):
        model.next_step.fill_((int(model.next_step) + 1) % len(_SINGLE_STEPS))
    n_steps = len(_SINGLE_STEPS) + len(_JOINT_STEPS)
    model.n_failed_steps.fill_(0 if accepted else (n_failed + 1) % n_steps)

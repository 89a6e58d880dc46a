r"""Coordinate search over the two score weights, a step per validation.

A step doubles or halves one weight. Only after steps along both coordinates have failed
are both weights changed, that is, relative to the item bias: a search along the
coordinates alone can get stuck far from the best weights.
"""

from __future__ import annotations

_SINGLE_STEPS = ((0.5, 1.0), (1.0, 2.0), (2.0, 1.0), (1.0, 0.5))
_JOINT_STEPS = ((0.5, 0.5), (2.0, 2.0))


def step_factors(next_step: int, n_failed: int) -> tuple[float, float]:
    """Factors of both weights in the step to try.

    Args:
        next_step: index of the next step along a coordinate
        n_failed: number of steps that have failed since the last one that was accepted
    """
    n_joint = n_failed - len(_SINGLE_STEPS)
    return _JOINT_STEPS[n_joint] if n_joint >= 0 else _SINGLE_STEPS[next_step]


def after_step(next_step: int, n_failed: int, accepted: bool) -> tuple[int, int]:
    """``next_step`` and ``n_failed`` after a step was accepted or has failed."""
    if n_failed < len(_SINGLE_STEPS):
        next_step = (next_step + 1) % len(_SINGLE_STEPS)
    if accepted:
        return next_step, 0
    return next_step, (n_failed + 1) % (len(_SINGLE_STEPS) + len(_JOINT_STEPS))

"""Trainer of the shared-entity score, which chooses its only parameter."""

from __future__ import annotations

from typing import Any

from recbole.trainer import TraditionalTrainer


class SharedEntitiesTrainer(TraditionalTrainer):
    """Validates every popularity weight and keeps the best."""

    def _valid_epoch(
        self, valid_data: Any, show_progress: bool = False
    ) -> tuple[float, Any]:
        """Result of the best weight, the first of equal ones."""
        best = None
        for weight in self.model.popularity_weights:
            self.model.popularity_weight.fill_(weight)
            score, result = super()._valid_epoch(valid_data, show_progress)
            is_better = best is None or (
                score > best[0] if self.valid_metric_bigger else score < best[0]
            )
            if is_better:
                best = score, result, weight
        assert best is not None
        self.model.popularity_weight.fill_(best[2])
        return best[0], best[1]

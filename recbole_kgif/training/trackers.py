"""Experiment trackers besides TensorBoard, which RecBole writes: W&B and MLflow.

RecBole logs to Weights & Biases where ``log_wandb`` is on. ``log_mlflow`` is an option
of this package. Where MLflow writes is told by its own environment variables, such as
``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from recbole_kgif.errors import UserError

# MLflow takes no longer parameter.
_LONGEST_PARAMETER = 500


class MlflowRun:
    """A run of MLflow: options, a metric an epoch, and the test.

    Args:
        name: its name.
        options: the options of the run.
    """

    def __init__(self, name: str, options: Mapping[str, Any]):
        import mlflow

        self._mlflow = mlflow
        mlflow.start_run(run_name=name, nested=mlflow.active_run() is not None)
        mlflow.log_params(
            {key: str(value)[:_LONGEST_PARAMETER] for key, value in options.items()}
        )

    def log_epoch(self, epoch: Mapping[str, Any]) -> None:
        """Log an epoch.

        Args:
            epoch: an entry of `RunTrainer.history`.
        """
        loss = epoch["loss"]
        parts = loss if isinstance(loss, (tuple, list)) else [loss]
        values = {"train/loss": float(sum(parts))}
        for place, part in enumerate(parts if len(parts) > 1 else ()):
            values[f"train/loss_{place + 1}"] = float(part)
        values.update(_named("valid", epoch.get("valid", {})))
        self._mlflow.log_metrics(values, step=epoch["epoch"] + 1)

    def log_test(self, result: Mapping[str, float]) -> None:
        """Log the test's metrics."""
        self._mlflow.log_metrics(_named("test", result))

    def end(self, status: str) -> None:
        """End the run as ``FINISHED`` or ``FAILED``."""
        self._mlflow.end_run(status)


def _named(part: str, result: Mapping[str, float]) -> dict[str, float]:
    # MLflow takes no "@" in a name.
    return {f"{part}/{name.replace('@', '_')}": value for name, value in result.items()}


def mlflow_run(config: Any, options: Mapping[str, Any]) -> Optional[MlflowRun]:
    """The run that ``log_mlflow`` asks for; None where it is off.

    Args:
        config: RecBole's configuration.
        options: see `checkpoint.portable_options`.

    Raises:
        UserError: MLflow cannot begin it.
    """
    if not config["log_mlflow"]:
        return None
    import mlflow

    try:
        return MlflowRun(_name(config), options)
    except mlflow.MlflowException as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"log_mlflow=True: MLflow refuses ({reason}); name a store by "
            "MLFLOW_TRACKING_URI, such as sqlite:////home/me/mlflow.db or a server"
        ) from None


@contextlib.contextmanager
def named_wandb_run(config: Any) -> Iterator[None]:
    """Name the run of Weights & Biases that RecBole begins, and end it.

    A run that is active already, such as that of a sweep, is used and left open.
    """
    if not config["log_wandb"] or _active_wandb_run() is not None:
        yield
        return
    is_unnamed = "WANDB_NAME" not in os.environ
    os.environ.setdefault("WANDB_NAME", _name(config))
    try:
        yield
    except BaseException:
        _finish_wandb(exit_code=1)
        raise
    else:
        _finish_wandb(exit_code=0)
    finally:
        if is_unnamed:
            del os.environ["WANDB_NAME"]


def _name(config: Any) -> str:
    return f"{config['model']}-{config['dataset']}-{config['seed']}"


def _active_wandb_run() -> Any:
    return getattr(sys.modules.get("wandb"), "run", None)


def _finish_wandb(exit_code: int) -> None:
    run = _active_wandb_run()
    if run is not None:
        run.finish(exit_code=exit_code)

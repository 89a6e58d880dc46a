"""Reading a trained model in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from recbole_kgif.api.fitted_model import FittedModel
from recbole_kgif.api.messages import in_python
from recbole_kgif.common.files import AnyPath, read_object
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.training.run_folder import CHECKPOINT_FILE, DATA_FOLDER, RESULT_FILE


def load(
    path: AnyPath,
    *,
    data_path: Optional[AnyPath] = None,
    source: Optional[AnyPath] = None,
    trust: bool = False,
) -> FittedModel:
    """Read a model that `FittedModel.save` or a run of the command has written.

    Args:
        path: the folder, or the ``model.pth`` in it.
        data_path: folder of the prepared data sets. None takes the data saved with the
            model, else where they were for the training, else ``dataset``.
        source: folder with the files of the data set, as ``--source``.
        trust: whether to read also a checkpoint of RecBole's own, which runs what its
            author put in.

    Raises:
        UserError: the checkpoint cannot be read, or its data set is not found or is
            another one.
    """
    prepare_process()
    from recbole_kgif.training.restore import restore

    path = Path(path)
    checkpoint = path / CHECKPOINT_FILE if path.is_dir() else path
    if not checkpoint.is_file():
        raise UserError(
            f"{checkpoint} does not exist; give the folder of a saved model or of a run"
        )
    result = checkpoint.with_name(RESULT_FILE)
    record = read_object(result) if result.is_file() else {}
    has_own_data = checkpoint.with_name(DATA_FOLDER).is_dir()
    with in_python():
        restored = restore(checkpoint, data_path=data_path, source=source, trust=trust)
    return FittedModel(restored, record, has_own_data)

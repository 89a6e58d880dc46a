"""An HTTP service with recommendations and their reasons."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    add_served_model_arguments,
    check_checkpoint,
    loading_options,
    refuse_data_of_export,
)
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one, positive
from recbole_kgif.serving.export_files import require_libraries

# Seconds that running requests get when the service is stopped.
_GRACE = 10
_HIGHEST_PORT = 65_535


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    if namespace.checkpoint is not None:
        check_checkpoint(namespace)
    else:
        refuse_data_of_export(namespace)
    require_libraries("pyarrow", "safetensors", "fastapi", "uvicorn")
    require_libraries("prometheus_client")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with _listening(namespace) as listening, _export_of(namespace) as folder:
        _serve(namespace, folder, listening)
    return 0


def _serve(namespace: argparse.Namespace, folder: Path, listening: Any) -> None:
    import uvicorn

    from recbole_kgif.serving.model_store import ModelStore
    from recbole_kgif.serving.service import Service
    from recbole_kgif.serving.service_limits import Limits

    store = ModelStore(folder, by_index=namespace.index)
    limits = Limits(workers=namespace.workers, seconds=namespace.time_limit)
    config = uvicorn.Config(
        Service(store, limits).app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        # Connections; requests are limited by the service itself.
        limit_concurrency=4 * limits.running,
        timeout_graceful_shutdown=_GRACE,
    )
    # From now on requests wait to be answered.
    listening.listen()
    model = store.current.model
    host, port = listening.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    print(
        f"{model.dataset}: {len(model.user_ids):,} users and {len(model.item_ids):,} "
        f"items at http://{shown_host}:{port} (Ctrl-C ends it)",
        flush=True,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _interrupt(_signal: int, _frame: Any) -> None:
    """End as Ctrl-C does; uvicorn calls it once it has answered what was running."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def _export_of(namespace: argparse.Namespace) -> Iterator[Path]:
    """The export to serve; of a checkpoint one that is removed afterwards."""
    if namespace.export is not None:
        yield namespace.export
        return
    # Only now: loading PyTorch takes seconds, and mistakes are reported before.
    prepare_process()
    from recbole_kgif.serving.exporting import export_model
    from recbole_kgif.training.restore import restore

    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "export"
        restored = restore(**loading_options(namespace))
        export_model(restored, exported, with_index=namespace.index)
        yield exported


@contextlib.contextmanager
def _listening(namespace: argparse.Namespace) -> Iterator[Any]:
    """A socket at the address, taken before anything is loaded."""
    host, port = namespace.host, namespace.port
    with contextlib.ExitStack() as stack:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
        except OSError as error:
            raise UserError(
                f"--host {host} --port {port}: cannot be listened at "
                f"({error.strerror}); give another port, or 0 for a free one"
            ) from None
        yield listening


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_HIGHEST_PORT}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif serve",
        description="Answer over HTTP: items for a user or for a list of items, "
        "similar items, and the exact reasons for a score; with a page for people.",
    )
    add_served_model_arguments(
        parser,
        "folder that export has written; a newer export in its place is served within "
        "seconds",
    )
    parser.add_argument(
        "--index",
        action="store_true",
        help="list items by the index of the export: faster, and nearly exact",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default: 127.0.0.1, this machine alone); 0.0.0.0 "
        "for all networks: there is no login and no encryption",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8000,
        metavar="NUMBER",
        help="port to listen at, 0 for a free one (default: 8000)",
    )
    parser.add_argument(
        "--workers",
        type=at_least_one,
        default=2,
        metavar="COUNT",
        help="threads that compute scores (default: 2)",
    )
    parser.add_argument(
        "--time-limit",
        type=positive,
        default=10.0,
        metavar="SECONDS",
        help="for one request (default: 10)",
    )
    return parser

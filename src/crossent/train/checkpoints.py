"""Checkpoints without pickle: tensors as safetensors, everything else as JSON in the same file's header.

One file, synced and renamed: what stands there is whole. Lightning decides what belongs in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from crossent.errors import TrainingError
from crossent.files import written

_TENSOR, _PAIRS, _TUPLE = "$tensor", "$pairs", "$tuple"


class SafetensorsIO(CheckpointIO):
    """Lightning's checkpoints, for the run of one config: those of another are refused."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write it beside its place, sync, rename."""
        tensors: dict[str, torch.Tensor] = {}
        rest = _without_tensors(checkpoint, tensors)
        save_tensors(Path(path), tensors, {"checkpoint": rest, "fingerprint": self.fingerprint})

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """What was saved, on the CPU; Lightning moves it."""
        tensors, said = load_tensors(Path(path))
        if said.get("fingerprint") != self.fingerprint:
            raise TrainingError(
                f"{path} is a checkpoint of another run: its config.json is not this one; begin again in"
                " another folder"
            )
        found: dict[str, Any] = _with_tensors(said["checkpoint"], tensors)
        return found

    def remove_checkpoint(self, path: Any) -> None:
        """Remove it, if it is there."""
        Path(path).unlink(missing_ok=True)


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], said: dict[str, Any]) -> None:
    """Tensors and what is said of them, complete or not there at all."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written(path) as file:
        file.write(save(plain, metadata={"crossent": json.dumps(said)}))


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `save_tensors` wrote."""
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            said = json.loads((file.metadata() or {}).get("crossent", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, said  # noqa: SIM118 no mapping
    except (SafetensorError, ValueError) as error:
        raise TrainingError(f"{path} is damaged ({error}): begin again in another folder") from error


def _without_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        last = value.dim() == 4 and not value.is_contiguous()  # channels last, and so they come back
        tensors[name] = value.permute(0, 2, 3, 1) if last else value
        return {_TENSOR: name, "channels_last": last}
    if isinstance(value, dict):
        return {_PAIRS: [[key, _without_tensors(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [_without_tensors(inner, tensors) for inner in value]}
    if isinstance(value, list):
        return [_without_tensors(inner, tensors) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}: it is no number, text, list or tensor")


def _with_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        tensor = tensors[value[_TENSOR]]
        return tensor.permute(0, 3, 1, 2) if value["channels_last"] else tensor
    if _TUPLE in value:
        return tuple(_with_tensors(inner, tensors) for inner in value[_TUPLE])
    return {key: _with_tensors(inner, tensors) for key, inner in value[_PAIRS]}

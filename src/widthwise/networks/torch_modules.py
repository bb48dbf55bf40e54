"""Tangent kernels of PyTorch modules. PyTorch is the user's: imported only once a module of it has come."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from jaxtyping import Float

from widthwise.errors import DataError, UsageError
from widthwise.networks import jacobian as jacobians
from widthwise.networks.empirical import Outputs
from widthwise.networks.tiling import mirrored, tiles


def empirical_ntk_of(
    module: Any, params: dict[str, Any] | None, X: Any, Z: Any | None, *, outputs: Outputs, chunk: int | None
) -> Float[np.ndarray, "n m *outputs"]:
    """Kernel of the gradients of a module's outputs, on the module's device, returned as NumPy: see `networks.jacobian`.

    Raises:
        UsageError: if the module's rows depend on each other or on chance, or `shared` is asked of several outputs.
        DataError: if nothing requires a gradient, a name is unknown, or the shapes do not fit.
    """
    torch = importlib.import_module("torch")
    functional = importlib.import_module("torch.func")
    _check_rows_are_independent(torch, module)
    moving, frozen = _parameters(torch, module, params)
    rows = _rows(torch, X, moving)
    others = rows if Z is None else _rows(torch, Z, moving)
    if rows.ndim < 1 or rows.shape[1:] != others.shape[1:] or not len(rows) or not len(others):
        raise DataError(f"X and Z must hold rows of one shape; {tuple(rows.shape)} and {tuple(others.shape)} came")

    def outputs_of(values: dict[str, Any], row: Any) -> Any:
        return functional.functional_call(module, {**frozen, **values}, (row[None],))

    with torch.no_grad():
        k = jacobians.output_count(tuple(outputs_of(moving, rows[0]).shape), 1)
    jacobians.one_kernel(k, outputs)
    size = jacobians.chunk_rows(chunk, k * sum(p.numel() * p.element_size() for p in moving.values()))
    per_row = functional.vmap(functional.jacrev(lambda values, row: outputs_of(values, row)[0]), (None, 0))

    def jacobian(some: Any) -> list[Any]:
        return [leaf.detach().reshape(len(some), k, -1) for leaf in per_row(moving, some).values()]

    pairs = "icp,jdp->ijcd" if outputs == "full" else "icp,jcp->ij"
    precision = next(iter(moving.values())).dtype
    shape = (len(rows), len(others), *((k, k) if outputs == "full" else ()))
    kernel = np.empty(shape, torch.empty(0, dtype=precision).numpy().dtype)
    left: list[Any] = []
    for part, other in tiles(len(rows), len(others), size, symmetric=Z is None):
        if other.start == 0:
            left = jacobian(rows[part])
        right = left if Z is None and part == other else jacobian(others[other])
        values = sum(torch.einsum(pairs, x, z) for x, z in zip(left, right, strict=True)).cpu().numpy()
        if Z is None and part == other:
            values = 0.5 * (values + mirrored(values))
        kernel[part, other] = values
        if Z is None and part != other:
            kernel[other, part] = mirrored(values)
    return kernel


def _check_rows_are_independent(torch: Any, module: Any) -> None:
    """Refuse layers that in training mode mix the rows of a batch or draw random numbers."""
    mixing = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    for name, layer in module.named_modules():
        if isinstance(layer, mixing) and layer.training:
            raise UsageError(
                f"a row's gradient must not depend on other rows or on chance; layer {name!r} is "
                f"{type(layer).__name__} in training mode: call module.eval() first"
            )


def _parameters(torch: Any, module: Any, params: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters that move and those that do not, detached."""
    own = {name: value.detach() for name, value in module.named_parameters()}
    if params is None:
        names = [name for name, value in module.named_parameters() if value.requires_grad]
        moving = {name: own[name] for name in names}
    else:
        unknown = sorted(set(params) - set(own))
        if unknown:
            raise DataError(
                f"params must hold names of the module's parameters; {unknown[0]!r} is none of {sorted(own)}"
            )
        moving = {name: torch.as_tensor(value).detach() for name, value in params.items()}
    if not moving:
        raise DataError("the module must have a parameter that requires a gradient; it has none")
    for name, value in moving.items():
        if value.dtype not in (torch.float32, torch.float64):
            raise DataError(f"parameters must be float32 or float64; {name!r} is {value.dtype}")
    return moving, {name: value for name, value in own.items() if name not in moving}


def _rows(torch: Any, X: Any, moving: dict[str, Any]) -> Any:
    """Rows where the parameters are; floating ones in their precision, integers as they are, for embeddings."""
    some = next(iter(moving.values()))
    rows = torch.as_tensor(X if isinstance(X, torch.Tensor) else np.asarray(X)).detach().to(some.device)
    return rows.to(some.dtype) if rows.is_floating_point() else rows

"""Tangent kernels of finite networks: of `MLP` by layers, Hadamard products of small Gram matrices, never a Jacobian.

Other families go through `networks.jacobian`.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from widthwise._checks import count, enough_memory
from widthwise._jax import full_products
from widthwise.errors import UsageError
from widthwise.networks import activation as activations
from widthwise.networks.doubled import TWIN, Doubled
from widthwise.networks.laws import Signs
from widthwise.networks.mlp import MLP, Params
from widthwise.networks.network import Network
from widthwise.networks.remembered import Centred, Linearised, start_of
from widthwise.networks.tiling import assemble

Outputs = Literal["shared", "trace", "full"]
# Rows of a tile: large enough for products at full speed, small enough that half of a symmetric matrix is saved.
TILE = 512
# What each layer is fed, of shape (n, fan-in), and the derivatives of the outputs in its pre-activations, of shape
# (n, outputs, width); None where no trained parameter needs it, or where the derivatives are the identity.
Signals = tuple[tuple[Array | None, ...], tuple[Array | None, ...]]


@overload
def empirical_ntk(
    net: Network,
    params: Params,
    X: Float[Array, "n d"],
    Z: Float[Array, "m d"] | None = None,
    *,
    outputs: Outputs = "shared",
    layers: Literal[False] = False,
    tile: int | None = None,
) -> Float[Array, "n m *outputs"]: ...
@overload
def empirical_ntk(
    net: Network,
    params: Params,
    X: Float[Array, "n d"],
    Z: Float[Array, "m d"] | None = None,
    *,
    outputs: Outputs = "shared",
    layers: Literal[True],
    tile: int | None = None,
) -> dict[str, Float[Array, "n m *outputs"]]: ...
def empirical_ntk(
    net: Network,
    params: Params,
    X: Float[Array, "n d"],
    Z: Float[Array, "m d"] | None = None,
    *,
    outputs: Outputs = "shared",
    layers: bool = False,
    tile: int | None = None,
) -> Float[Array, "n m *outputs"] | dict[str, Float[Array, "n m *outputs"]]:
    r"""Kernel of the gradients of the outputs in the trained parameters.

    .. math:: K(x, z)_{cc'} = \nabla f_c(x) \cdot \nabla f_{c'}(z)
              = \sum_l \bigl(s_l^2\, h_{l-1}(x)^\top h_{l-1}(z) + s_b^2\bigr)\;
                \frac{\partial f_c(x)}{\partial z_l} \cdot \frac{\partial f_{c'}(z)}{\partial z_l}

    with h the activations (h_0 = x), z the pre-activations and s the factors of `MLP`. For the two-layer network of which
    the first layer is trained this is :math:`\frac{x^\top z}{m}\sum_r 1[w_r^\top x \ge 0]\,1[w_r^\top z \ge 0]`.

    With k outputs the gradients form k kernels and their couplings. Three forms:

    - ``shared``, shape (n, m): the one kernel of every output. There is one if k = 1, if only the last layer is trained,
      or if only the first layer of a two-layer network with frozen signs is, since signs square to one (they are taken as
      such, whatever `params` says). Otherwise outputs differ at finite width, and it is refused.
    - ``trace``, shape (n, m): the sum of the k kernels, :math:`\sum_c K_{cc}`; over k it tends to the limit.
    - ``full``, shape (n, m, k, k): entry [i, j, c, c'] is the formula above; the couplings :math:`c \ne c'` of the hidden
      layers fall like the width to the power -1/2. The (nk, nk) matrix is its transpose (0, 2, 1, 3), reshaped.

    Tiled over rows: memory is the result and about n k times twice the sum of the widths. Without Z half of the tiles are
    computed and the result is symmetric to the bit. It may be called inside `jax.jit`.

    That is for `MLP`, which has formulas by layers, and for `Linearised`, `Centred` and `Doubled` of it. For a network of
    another family the Jacobians in the trained parameters are contracted, as `empirical_ntk_of` does for any function: much
    slower, and `shared` is for one output.

    Args:
        net: the network.
        params: its parameters, at the start or later.
        X: n rows, float32 or float64 (the latter within `jax.enable_x64`), which is the precision of the result.
        Z: m rows; X itself when not given.
        outputs: `shared`, `trace` or `full`.
        layers: whether the parts are wanted, one for each trained parameter, instead of their sum.
        tile: rows of a tile; chosen when not given.

    Returns:
        The kernel; with `layers` a dictionary of parts by the parameter's key, whose sum is the kernel.

    Raises:
        UsageError: if an argument is not one that is known, or there is no shared kernel.
        ResourceError: if the memory does not suffice; before anything is computed.

    References:
        :cite:t:`jacot2018`; :cite:t:`arora2019`, section 3.
    """
    if outputs not in ("shared", "trace", "full"):
        raise UsageError(f"outputs must be 'shared', 'trace' or 'full'; {outputs!r} came")
    if isinstance(net, Linearised | Centred):
        at = start_of(net.net, params) if isinstance(net, Linearised) else params
        forms: dict[str, Any] = {"outputs": outputs, "layers": layers, "tile": tile}
        of_start: Array | dict[str, Array] = empirical_ntk(net.net, at, X, Z, **forms)
        return of_start
    if isinstance(net, Doubled):
        return _doubled(net, params, X, Z, outputs=outputs, layers=layers, tile=tile)
    if not isinstance(net, MLP):
        from widthwise.networks import jacobian  # noqa: PLC0415 - it takes its words from this module

        return jacobian.of_network(net, params, X, Z, outputs=outputs, layers=layers, chunk=tile)
    if outputs == "shared" and not _is_shared(net):
        raise UsageError(
            f"the {net.outputs} outputs have no kernel in common: outputs must be 'trace' (the sum of their kernels) or "
            f"'full' (every pair of outputs) for {net.describe()}"
        )
    size = count(tile, "tile") if tile is not None else TILE // (min(net.outputs, 8) if outputs == "full" else 1)
    columns = len(X) if Z is None else len(Z)
    _check_memory(net, X, columns, outputs=outputs, layers=layers, gram=Z is None)
    with full_products():
        left = _signals(net, params, X, outputs)
        right = left if Z is None else _signals(net, params, Z, outputs)

        def block(rows: slice, others: slice) -> Array | dict[str, Array]:
            shape = (rows.stop - rows.start, others.stop - others.start)
            at = (rows.start, others.start)
            parts: Array | dict[str, Array] = _tile(net, left, right, at, shape, outputs=outputs, layers=layers)
            return parts

        kernel: Array | dict[str, Array] = assemble(len(X), columns, size, block, symmetric=Z is None)
    return kernel


def _doubled(
    net: Doubled, params: Params, X: Array, Z: Array | None, *, outputs: Outputs, layers: bool, tile: int | None
) -> Array | dict[str, Array]:
    """Half the sum of the kernels of the two copies."""
    first, second = (
        empirical_ntk(net.net, half, X, Z, outputs=outputs, layers=True, tile=tile) for half in net.halves(params)
    )
    parts = {**first, **{TWIN + name: part for name, part in second.items()}}
    if layers:
        return {name: 0.5 * part for name, part in parts.items()}
    total, *others = parts.values()
    for part in others:
        total = total + part
    return 0.5 * total


def _is_shared(net: MLP) -> bool:
    return net.outputs == 1 or not _hidden_names(net).intersection(net.trained_names) or _sign_size(net) is not None


def _hidden_names(net: MLP) -> set[str]:
    """Keys of the weights and biases of the hidden layers."""
    return {*net.weight_names[:-1], *(bias for bias in net.layer_biases[:-1] if bias)}


def _sign_size(net: MLP) -> float | None:
    """Size of a two-layer network's frozen signs: their squares do not depend on the neuron; None for other readouts."""
    law = net.laws[-1]
    frozen = not {"a", net.layer_biases[-1]}.intersection(net.trained_names)
    return law.size if len(net.widths) == 1 and isinstance(law, Signs) and frozen else None


def _check_memory(net: MLP, X: Array, columns: int, *, outputs: Outputs, layers: bool, gram: bool) -> None:
    """Refuse what does not fit, where the arrays live in this machine's memory."""
    if isinstance(X, jax.core.Tracer) or jax.default_backend() != "cpu":
        return
    k = 1 if outputs == "shared" else net.outputs
    entries = len(X) * columns * (k * k if outputs == "full" else 1) * (len(net.trained_names) if layers else 1)
    rows = len(X) if gram else len(X) + columns
    signals = k if _hidden_names(net).intersection(net.trained_names) else 0
    needed = float(X.dtype.itemsize) * (entries + rows * sum(net.widths) * (1 + signals))
    enough_memory(
        needed, "the empirical kernel", "Give blocks of rows as X and Z, a narrower network or outputs='trace'."
    )


@functools.partial(jax.jit, static_argnames=("net", "outputs"))
def _signals(net: MLP, params: Params, X: Array, outputs: Outputs) -> Signals:
    """Forward pass and backward pass of every row."""
    hidden = net.pre_activations(params, X)
    values = tuple(activations.value(net.activation, z) for z in hidden)
    inputs: list[Array | None] = [
        signal if name in net.trained_names else None
        for name, signal in zip(net.weight_names, (X, *values), strict=True)
    ]
    backward: list[Array | None] = [None] * len(inputs)
    moving = [
        layer
        for layer, keys in enumerate(zip(net.weight_names[:-1], net.layer_biases, strict=False))
        if set(keys).intersection(net.trained_names)
    ]
    if moving:
        slopes = activations.derivative(net.activation, hidden[-1])[:, None, :]
        readout = params["a"].T if outputs != "shared" or net.outputs == 1 else jnp.ones((1, net.widths[-1]), X.dtype)
        size = _sign_size(net)
        if size is not None and outputs != "full":
            readout = jnp.full_like(readout, size)
        signal = slopes * (net.factors[-1] * readout)
        for layer in range(len(hidden) - 1, moving[0] - 1, -1):
            if layer in moving:
                backward[layer] = signal
            if layer > moving[0]:
                slopes = activations.derivative(net.activation, hidden[layer - 1])[:, None, :]
                flat = signal.reshape(-1, signal.shape[-1]) @ params[net.weight_names[layer]]
                signal = net.factors[layer] * flat.reshape(len(X), -1, flat.shape[-1]) * slopes
    return tuple(inputs), tuple(backward)


@functools.partial(jax.jit, static_argnames=("net", "shape", "outputs", "layers"))
def _tile(
    net: MLP,
    left: Signals,
    right: Signals,
    at: tuple[int | Array, int | Array],
    shape: tuple[int, int],
    *,
    outputs: Outputs,
    layers: bool,
) -> Array | dict[str, Array]:
    """One tile of the kernel, or of its parts."""
    k = 1 if outputs == "shared" else net.outputs
    parts: dict[str, Array] = {}
    for layer, name in enumerate(net.weight_names):
        bias = net.layer_biases[layer]
        if name not in net.trained_names and bias not in net.trained_names:
            continue
        x, z = (
            [
                None if s is None else jax.lax.dynamic_slice_in_dim(s, start, size)
                for s in (side[0][layer], side[1][layer])
            ]
            for side, start, size in ((left, at[0], shape[0]), (right, at[1], shape[1]))
        )
        gradients: Array | float
        if x[1] is not None and z[1] is not None:
            gradients = _products(x[1], z[1], outputs)
        else:
            gradients = jnp.eye(k, dtype=_dtype(left)) if outputs == "full" else float(k)
        if x[0] is not None and z[0] is not None:
            gram = net.factors[layer] ** 2 * (x[0] @ z[0].T)
            parts[name] = (gram[:, :, None, None] if outputs == "full" else gram) * gradients
        if bias is not None and bias in net.trained_names:
            full = (*shape, k, k) if outputs == "full" else shape
            parts[bias] = jnp.broadcast_to(net.bias_factor**2 * jnp.asarray(gradients, _dtype(left)), full)
    if layers:
        return parts
    total, *others = parts.values()
    for part in others:
        total = total + part
    return total


def _products(x: Array, z: Array, outputs: Outputs) -> Array:
    """Inner products of back-propagated signals: of all pairs of outputs, or summed over equal ones."""
    if outputs != "full":
        return x.reshape(len(x), -1) @ z.reshape(len(z), -1).T
    k = x.shape[1]
    pairs = x.reshape(-1, x.shape[-1]) @ z.reshape(-1, z.shape[-1]).T
    return pairs.reshape(len(x), k, len(z), k).transpose(0, 2, 1, 3)


def _dtype(signals: Signals) -> jnp.dtype:
    return next(s.dtype for side in signals for s in side if s is not None)

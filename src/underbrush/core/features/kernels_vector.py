"""Vectors of float32 inside kernels: written once, one machine register wide, the same bytes everywhere.

A kernel written with them has no scalar remainder and leaves nothing to the compiler's choice: each lane
does the same operations in the same order wherever it stands, so that a pixel's value cannot depend on
the tile, the row's width or the position in it. Multiply-add is fused exactly where `fma` is written.
All names below except `LANES` are usable only inside compiled functions.
"""

from __future__ import annotations

import operator
import platform
from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

_FEATURES = llvmlite.binding.get_host_cpu_features()
_ARM = platform.machine().lower() in {"arm64", "aarch64"}
FUSED = bool(_FEATURES.get("fma")) or _ARM
"""Whether the machine has a fused multiply-add; without it `fma` rounds twice."""
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
"""float32 values in one vector. Results do not depend on it."""

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INDEX = ir.VectorType(ir.IntType(32), LANES)

_intrinsic: Callable[[Callable[..., Any]], Any] = intrinsic
_literal_intrinsic: Callable[[Callable[..., Any]], Any] = intrinsic(prefer_literal=True)


class VectorType(types.Type):
    """The compiler's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


register_model(VectorType)(_VectorModel)
vector = VectorType()


def _call(builder: Any, name: str, *args: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(args))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")
    return builder.call(function, args)


def _operator(op: Any, emit: Callable[[Any, Any, Any], Any]) -> None:
    template = type(
        f"Vector_{op.__name__}", (ConcreteTemplate,), {"cases": [signature(vector, vector, vector)]}
    )
    infer_global(op)(template)
    lower_builtin(op, vector, vector)(lambda _context, builder, _signature, args: emit(builder, *args))


_operator(operator.add, lambda builder, a, b: builder.fadd(a, b))
_operator(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_operator(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_operator(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))


def _negate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    return builder.fneg(args[0])


infer_global(operator.neg)(type("Vector_neg", (ConcreteTemplate,), {"cases": [signature(vector, vector)]}))
lower_builtin(operator.neg, vector)(_negate)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """``LANES`` values of a contiguous float32 array from ``index`` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], args[0], args[1]), align=4)

    return vector(array, types.intp), emit


@_intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a vector to ``array[index : index + LANES]``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, sig.args[0], args[0], args[1]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


@_intrinsic
def splat(typing: Any, value: Any) -> Any:
    """A vector with ``value`` in every lane."""

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, one, ir.Constant(_INDEX, [0] * LANES))

    return vector(types.float32), emit


@_intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once."""

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        if FUSED:
            return _call(builder, "fma", *args)
        return builder.fadd(builder.fmul(args[0], args[1]), args[2])

    return vector(vector, vector, vector), emit


@_intrinsic
def sqrt(typing: Any, a: Any) -> Any:
    """Square root, correctly rounded."""
    return vector(vector), lambda _context, builder, _sig, args: _call(builder, "sqrt", *args)


@_intrinsic
def absolute(typing: Any, a: Any) -> Any:
    """Without the sign."""
    return vector(vector), lambda _context, builder, _sig, args: _call(builder, "fabs", *args)


def _exponent(builder: Any, value: Any) -> Any:
    return builder.and_(builder.bitcast(value, _INDEX), ir.Constant(_INDEX, [0x7F800000] * LANES))


@_intrinsic
def power_below(typing: Any, a: Any) -> Any:
    """The largest power of two that is not above each value; they are normal numbers."""
    return vector(vector), lambda _context, builder, _sig, args: builder.bitcast(
        _exponent(builder, args[0]), _VECTOR
    )


@_intrinsic
def inverse_power_below(typing: Any, a: Any) -> Any:
    """One divided by `power_below`, exactly; 0 from 2 ** 127 on."""

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        twice_bias = ir.Constant(_INDEX, [0x7F000000] * LANES)
        return builder.bitcast(builder.sub(twice_bias, _exponent(builder, args[0])), _VECTOR)

    return vector(vector), emit


@_intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:
    """The larger of each pair; ``b`` where one is NaN."""

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[0], args[1])

    return vector(vector, vector), emit


@_intrinsic
def where_negative(typing: Any, test: Any, a: Any, b: Any) -> Any:
    """``a`` where ``test < 0``, else ``b``."""

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        negative = builder.fcmp_ordered("<", args[0], ir.Constant(_VECTOR, [0.0] * LANES))
        return builder.select(negative, args[1], args[2])

    return vector(vector, vector, vector), emit


def _slide(by: Any, start: int) -> Any:
    mask = ir.Constant(_INDEX, list(range(start, start + LANES)))

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[1], mask)

    return vector(vector, vector, by), emit


@_literal_intrinsic
def before(typing: Any, a: Any, b: Any, by: Any) -> Any:
    """The values ``by`` (a literal) places before those of ``b``, the first ones out of ``a``."""
    return _slide(by, LANES - by.literal_value) if isinstance(by, types.IntegerLiteral) else None


@_literal_intrinsic
def after(typing: Any, a: Any, b: Any, by: Any) -> Any:
    """The values ``by`` (a literal) places after those of ``a``, the last ones out of ``b``."""
    return _slide(by, by.literal_value) if isinstance(by, types.IntegerLiteral) else None


@_intrinsic
def evens(typing: Any, a: Any, b: Any) -> Any:
    """Every second value of ``a`` followed by ``b``."""
    mask = ir.Constant(_INDEX, [2 * k for k in range(LANES)])

    def emit(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[1], mask)

    return vector(vector, vector), emit


@_intrinsic
def transpose_block(
    typing: Any, source: Any, start: Any, stride: Any, target: Any, target_start: Any, target_stride: Any
) -> Any:
    """Write ``LANES`` rows of ``LANES`` values of ``source`` as columns of ``target``.

    Perfect shuffles: after log2(LANES) rounds of interleaving row i with row i + LANES / 2, lane and row
    have changed places.
    """
    halves = [
        ir.Constant(_INDEX, [k // 2 + (k % 2) * LANES + h for k in range(LANES)]) for h in (0, LANES // 2)
    ]

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def at(which: int, row: int) -> Any:
            index = builder.add(args[which + 1], builder.mul(args[which + 2], ir.IntType(64)(row)))
            return _address(context, builder, sig.args[which], args[which], index)

        rows = [builder.load(at(0, row), align=4) for row in range(LANES)]
        for _ in range(LANES.bit_length() - 1):
            pairs = zip(rows[: LANES // 2], rows[LANES // 2 :], strict=True)
            rows = [builder.shuffle_vector(a, b, half) for a, b in pairs for half in halves]
        for row, value in enumerate(rows):
            builder.store(value, at(3, row), align=4)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), emit

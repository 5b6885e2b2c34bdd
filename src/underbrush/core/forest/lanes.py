"""Operations on 64 lanes at once, which numba has no words for.

A lane is one pixel of a patch of 64; a mask is a uint64 whose bit i speaks for lane i. Each operation is
a few lines of portable LLVM vector code, which becomes AVX-512, AVX2, SSE2 or NEON as the machine has it.
Lanes start at an element ``offset`` of a one-dimensional C-contiguous array; 64 must follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = _intrinsic
N_LANES = 64
_I32 = ir.IntType(32)
_MASK = ir.VectorType(ir.IntType(1), N_LANES)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector: Any) -> Any:
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_I32, N_LANES), [0] * N_LANES))


@intrinsic
def lanes_not_above(typingctx: Any, array: Any, offset: Any, limit: Any) -> Any:
    """The mask of lanes with value <= limit; ``array`` and ``limit`` are unsigned of one width."""
    signature = types.uint64(array, types.int64, array.dtype)
    bits = array.dtype.bitwidth

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(bits), N_LANES)
        values = builder.load(
            _pointer(context, builder, sig.args[0], args[0], args[1], vector), align=bits // 8
        )
        below = builder.icmp_unsigned("<=", values, _splat(builder, args[2], vector))
        return builder.bitcast(below, ir.IntType(64))

    return signature, generate


@intrinsic
def add_one(typingctx: Any, array: Any, offset: Any, mask: Any) -> Any:
    """Add 1 to the lanes of ``mask``; ``array`` is uint8 and wraps."""
    signature = types.void(array, types.int64, types.uint64)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), N_LANES)
        at = _pointer(context, builder, sig.args[0], args[0], args[1], vector)
        minus_one = builder.sext(builder.bitcast(args[2], _MASK), vector)
        builder.store(builder.sub(builder.load(at, align=1), minus_one), at, align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def add_value(typingctx: Any, array: Any, offset: Any, mask: Any, value: Any) -> Any:
    """Add ``value`` to the lanes of ``mask`` and leave the others' bits alone; ``array`` is float32."""
    signature = types.void(array, types.int64, types.uint64, types.float32)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), N_LANES)
        at = _pointer(context, builder, sig.args[0], args[0], args[1], vector)
        old = builder.load(at, align=4)
        new = builder.fadd(old, _splat(builder, args[3], vector))
        builder.store(builder.select(builder.bitcast(args[2], _MASK), new, old), at, align=4)
        return context.get_dummy_value()

    return signature, generate

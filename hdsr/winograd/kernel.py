"""Machine code of convolutions: numba compiles the loops, and LLVM vectors do the arithmetic.

Imported only where a form of the kernel is compiled for the first time. Addresses and lengths are 64-bit
numbers; every pixel in the buffers between the steps takes ROW bytes, being float32.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from llvmlite import binding, ir
from numba import cfunc, types
from numba.core import cgutils
from numba.extending import intrinsic

from hdsr.winograd.form import CHANNELS, ROW, SIDE, Form

_FLOAT, _INTEGER, _WORD, _HALF = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(16)
_FUSED = ("contract",)
"""A sum may be fused with the product before it."""


class _Vector:
    """A register of float32, with the arithmetic that the transforms are written in."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: Self) -> Self:
        return type(self)(self.builder, self.builder.fadd(self.value, other.value, _FUSED))

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.builder, self.builder.fsub(self.value, other.value, _FUSED))

    def __rmul__(self, factor: float) -> Self:
        constant = ir.Constant(self.value.type, [factor] * self.value.type.count)
        return type(self)(self.builder, self.builder.fmul(constant, self.value, _FUSED))

    def rectified(self) -> Self:
        zero = ir.Constant(self.value.type, [0.0] * self.value.type.count)
        is_negative = self.builder.fcmp_ordered("<", self.value, zero)
        return type(self)(self.builder, self.builder.select(is_negative, zero, self.value))


def _input_transform(
    d0: _Vector, d1: _Vector, d2: _Vector, d3: _Vector, d4: _Vector, d5: _Vector
) -> tuple[_Vector, ...]:
    """B^T d: the values of an input tile's row at the points."""
    even1, odd1, even2, odd2 = d4 - 4.0 * d2, d3 - 4.0 * d1, d4 - d2, d3 - d1
    at0, at_infinity = 4.0 * d0 - 5.0 * d2 + d4, 4.0 * d1 - 5.0 * d3 + d5
    return at0, even1 + odd1, even1 - odd1, even2 + 2.0 * odd2, even2 - 2.0 * odd2, at_infinity


def _output_transform(
    tile: int, m0: _Vector, m1: _Vector, m2: _Vector, m3: _Vector, m4: _Vector, m5: _Vector
) -> tuple[_Vector, ...]:
    """A^T m: an output tile's row of 2 or 4 pixels, from the products at the points."""
    even1, odd1, even2, odd2 = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    first, second = m0 + even1 + even2, odd1 + 2.0 * odd2
    if tile == 2:
        return first, second + m5
    return first, second, even1 + 4.0 * even2, odd1 + 8.0 * odd2 + m5


class _Emitter:
    """Writes the steps between loops for one form, as operations that numba can call."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.vector = ir.VectorType(_FLOAT, form.lanes)
        self.words, self.halves = (ir.VectorType(kind, form.lanes) for kind in (_WORD, _HALF))

    def read(self, builder: ir.IRBuilder, address: ir.Value, offset: int | ir.Value = 0) -> _Vector:
        return _Vector(builder, builder.load(self.pointer(builder, address, offset, self.vector), align=4))

    def write(self, value: _Vector, address: ir.Value, offset: int | ir.Value = 0) -> None:
        builder = value.builder
        builder.store(value.value, self.pointer(builder, address, offset, self.vector), align=4)

    def read_stored(self, builder: ir.IRBuilder, address: ir.Value, offset: int) -> _Vector:
        """Values of features; of a bfloat16 the bits are the upper ones of a float32."""
        if self.form.stored == 4:
            return self.read(builder, address, offset)
        halves = builder.load(self.pointer(builder, address, offset // 2, self.halves), align=2)
        words = builder.shl(builder.zext(halves, self.words), self.everywhere(16))
        return _Vector(builder, builder.bitcast(words, self.vector))

    def write_stored(self, value: _Vector, address: ir.Value, offset: int) -> None:
        """Write values of features, as bfloat16 rounded to the nearest and from the middle to even ones."""
        if self.form.stored == 4:
            return self.write(value, address, offset)
        builder, sixteen = value.builder, self.everywhere(16)
        words = builder.bitcast(value.value, self.words)
        odd = builder.and_(builder.lshr(words, sixteen), self.everywhere(1))
        rounded = builder.add(words, builder.add(odd, self.everywhere(0x7FFF)))
        halves = builder.trunc(builder.lshr(rounded, sixteen), self.halves)
        builder.store(halves, self.pointer(builder, address, offset // 2, self.halves), align=2)

    def everywhere(self, number: int) -> ir.Constant:
        return ir.Constant(self.words, [number] * self.form.lanes)

    @staticmethod
    def pointer(builder: ir.IRBuilder, address: ir.Value, offset: int | ir.Value, kind: ir.Type) -> ir.Value:
        moved = builder.add(address, _INTEGER(offset) if isinstance(offset, int) else offset)
        return builder.inttoptr(moved, kind.as_pointer())

    def chunks(self, channels: int) -> range:
        """Offsets of the registers that a pixel's channels fill."""
        return range(0, 4 * channels, 4 * self.form.lanes)

    @staticmethod
    def steps(builder: ir.IRBuilder, address: ir.Value, step: ir.Value, count: int) -> list[ir.Value]:
        """Addresses at equal distances."""
        return [builder.add(address, builder.mul(step, _INTEGER(index))) for index in range(count)]

    def where(self, builder, row, dilation, rows, addresses, otherwise) -> list[ir.Value]:
        """Addresses of rows, of each whose number is in 0..rows; `otherwise` for those beyond the border."""
        numbers = self.steps(builder, row, dilation, len(addresses))
        inside = [builder.icmp_unsigned("<", number, rows) for number in numbers]
        return [builder.select(*pair, otherwise) for pair in zip(inside, addresses, strict=True)]

    def clear(self, builder, address) -> None:
        """A pixel of zeros."""
        zero = _Vector(builder, ir.Constant(self.vector, [0.0] * self.form.lanes))
        for chunk in self.chunks(CHANNELS):
            self.write(zero, address, chunk)

    def columns_in(self, builder, x, step, row, dilation, rows, zero, out, out_step) -> None:
        """B^T of a column of six pixels, `step` bytes apart from x on; beyond the border lie zeros."""
        sources = self.where(builder, row, dilation, rows, self.steps(builder, x, step, SIDE), zero)
        targets = self.steps(builder, out, out_step, SIDE)
        for chunk in self.chunks(CHANNELS):
            values = _input_transform(*(self.read_stored(builder, source, chunk) for source in sources))
            for value, target in zip(values, targets, strict=True):
                self.write(value, target, chunk)

    def along(self, transform, channels, builder, source, step, out, out_step) -> None:
        """A transform of six pixels `step` bytes apart."""
        sources = self.steps(builder, source, step, SIDE)
        for chunk in self.chunks(channels):
            values = transform(*(self.read(builder, address, chunk) for address in sources))
            for value, target in zip(values, self.steps(builder, out, out_step, len(values)), strict=True):
                self.write(value, target, chunk)

    def columns_out(
        self, builder, source, step, bias, row, dilation, rows, y, y_step, summand, summand_step, rest
    ) -> None:
        """A^T of a column of six products, with bias, ReLU and sum, to the rows of y that there are."""
        sources, tile = self.steps(builder, source, step, SIDE), self.form.tile
        inside = partial(self.where, builder, row, dilation, rows)
        targets = inside(self.steps(builder, y, y_step, tile), rest)
        summands = inside(self.steps(builder, summand, summand_step, tile), rest)
        for chunk in self.chunks(self.form.outputs):
            values = _output_transform(tile, *(self.read(builder, address, chunk) for address in sources))
            for value, target, other in zip(values, targets, summands, strict=True):
                value = value + self.read(builder, bias, chunk)
                value = value.rectified() if self.form.rectified else value
                self.write_stored(value + self.read_stored(builder, other, chunk), target, chunk)

    def multiply(self, builder, v, u, m) -> None:
        """m = v u for `tiles` rows of v: as many sums as registers allow stay in them, over all channels."""
        form = self.form
        for first in range(0, form.outputs, form.lanes * form.vectors):
            columns = range(first, min(first + form.lanes * form.vectors, form.outputs), form.lanes)
            zero = ir.Constant(self.vector, [0.0] * form.lanes)
            sums = {
                (tile, column): cgutils.alloca_once_value(builder, zero)
                for tile in range(form.tiles)
                for column in columns
            }
            for place in sums.values():
                builder.store(zero, place)
            with cgutils.for_range(builder, _INTEGER(CHANNELS)) as loop:
                self.add_products(builder, sums, v, u, loop.index)
            for (tile, column), place in sums.items():
                self.write(_Vector(builder, builder.load(place)), m, ROW * tile + 4 * column)

    def add_products(self, builder, sums, v, u, channel) -> None:
        """The products of one input channel."""
        kernel_row = builder.add(u, builder.mul(channel, _INTEGER(4 * self.form.outputs)))
        value = builder.add(v, builder.mul(channel, _INTEGER(4)))
        kernels = {column: self.read(builder, kernel_row, 4 * column).value for _, column in sums}
        nothing = ir.Constant(self.vector, ir.Undefined)
        signature = ir.FunctionType(self.vector, [self.vector] * 3)
        fused = cgutils.get_or_insert_function(
            builder.module, signature, f"llvm.fmuladd.v{self.form.lanes}f32"
        )
        for tile in range(self.form.tiles):
            number = builder.load(self.pointer(builder, value, ROW * tile, _FLOAT))
            first = builder.insert_element(nothing, number, _WORD(0))
            factor = builder.shuffle_vector(first, nothing, self.everywhere(0))
            for column, kernel in kernels.items():
                place = sums[tile, column]
                builder.store(builder.call(fused, [factor, kernel, builder.load(place)]), place)


def _field(builder: ir.IRBuilder, call: ir.Value, index: ir.Value) -> ir.Value:
    """A number of those that a call is described by."""
    place = builder.add(call, builder.mul(index, _INTEGER(8)))
    return builder.load(builder.inttoptr(place, _INTEGER.as_pointer()))


def _take(builder: ir.IRBuilder, counter: ir.Value) -> ir.Value:
    """The next number of a counter that threads share."""
    return builder.atomic_rmw(
        "add", builder.inttoptr(counter, _INTEGER.as_pointer()), _INTEGER(1), "monotonic"
    )


def _operation(emit: Callable[..., ir.Value | None], returns: Any = types.void) -> Callable[..., Any]:
    """What `emit` writes as a function that numba can call with 64-bit numbers."""

    def typed(_: object, *arguments: Any) -> tuple[Any, Callable[..., Any]]:
        def write(context: Any, builder: ir.IRBuilder, _: object, values: list[ir.Value]) -> ir.Value:
            return emit(builder, *values) or context.get_dummy_value()

        return returns(*arguments), write

    typed.__signature__ = inspect.signature(emit)  # numba wants to see how many there are
    return intrinsic(typed)


def _loops(form: Form) -> Callable[..., None]:
    """The kernel that each thread runs: it takes jobs until none is left; see `hdsr.winograd.convolution`."""
    emitter = _Emitter(form)
    field, take = _operation(_field, types.int64), _operation(_take, types.int64)
    columns_in = _operation(emitter.columns_in)
    clear = _operation(emitter.clear)
    rows_in = _operation(partial(emitter.along, _input_transform, CHANNELS))
    multiply = _operation(emitter.multiply)
    rows_out = _operation(partial(emitter.along, partial(_output_transform, form.tile), form.outputs))
    columns_out = _operation(emitter.columns_out)
    tile, tiles, around = form.tile, form.tiles, form.size // 2
    pixel_in, pixel_out, matrix = form.stored * CHANNELS, form.stored * form.outputs, ROW * form.outputs

    def run(call):
        x, u, bias = field(call, 2), field(call, 3), field(call, 4)
        residual, y = field(call, 5), field(call, 6)
        buffers = field(call, 7) + field(call, 8) * take(call)
        height, width, first, rows = field(call, 9), field(call, 10), field(call, 11), field(call, 12)
        dilation, block = field(call, 13), field(call, 14)
        across = ((width + dilation - 1) // dilation + tile - 1) // tile
        blocks = (across + block - 1) // block
        jobs = dilation * dilation * (((rows + dilation - 1) // dilation + tile - 1) // tile) * blocks
        zero, rest, lines = buffers, buffers + ROW, buffers + 2 * ROW
        line = (tile * block + SIDE - tile) * ROW
        v, point = lines + SIDE * line, block * ROW
        m = v + SIDE * point
        while True:
            job = take(call + 8)
            if job >= jobs:
                return
            start = job % blocks * block
            phase = job // blocks % (dilation * dilation)
            row = phase // dilation + dilation * tile * (job // blocks // (dilation * dilation))
            left = phase % dilation + dilation * tile * start
            count = min(block, across - start)
            top = first + row - dilation * around
            for index in range(tile * count + SIDE - tile):
                column = left + dilation * (index - around)
                seen = height if 0 <= column < width else 0
                address, step = x + (top * width + column) * pixel_in, dilation * width * pixel_in
                columns_in(address, step, top, dilation, seen, zero, lines + index * ROW, line)
            for q in range(SIDE):
                values = lines + q * line
                for t in range(count):
                    rows_in(values + tile * t * ROW, ROW, v + t * ROW, point)
                for p in range(SIDE):
                    for t in range(count, tiles):
                        clear(v + p * point + t * ROW)
                    for t in range(0, count, tiles):
                        # the last ones once more, rather than what lies behind them: that may be denormal
                        place = p * point + max(min(t, count - tiles), 0) * ROW
                        multiply(v + place, u + (SIDE * q + p) * matrix, m + place)
                for t in range(count):
                    rows_out(m + t * ROW, point, values + tile * t * ROW, ROW)
            for index in range(tile * count):
                column = left + dilation * index
                if column < width:
                    offset, step = (row * width + column) * pixel_out, dilation * width * pixel_out
                    source, target = lines + index * ROW, y + offset
                    other, other_step = (residual + offset, step) if residual else (zero, 0)
                    columns_out(
                        source, line, bias, row, dilation, rows, target, step, other, other_step, rest
                    )

    return run


def machine_code(form: Form) -> bytes:
    """An object file with the kernel as the function `winograd` of an address, that needs no other."""
    compiled = cfunc(types.void(types.int64), error_model="numpy")(_loops(form))
    module = binding.parse_assembly(compiled.inspect_llvm().replace(compiled.native_name, "winograd"))
    for function in module.functions:
        if not function.is_declaration and function.name != "winograd":
            function.linkage = "internal"
    target = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3, jit=True
    )
    builder = binding.create_pass_builder(target, binding.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    return target.emit_object(module)

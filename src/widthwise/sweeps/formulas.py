"""Formulas in a spec, as `10 / width`: parsed and evaluated by a list of what is allowed, never by Python itself."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from widthwise.errors import SpecError

LONGEST: Final = 300
CONSTANTS: Final = {"pi": math.pi, "e": math.e}
FUNCTIONS: Final[dict[str, Callable[..., float]]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
}
_BINARY: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    # Through floats: 9 ** 9 ** 9 overflows at once instead of filling the memory.
    ast.Pow: math.pow,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[float], float]]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


def names(text: str) -> frozenset[str]:
    """Names that a formula depends on.

    Raises:
        SpecError: if it is not a formula of numbers, names, + - * / // % **, brackets and the known functions.
    """
    found: set[str] = set()
    _walk(_parsed(text), text, found)
    return frozenset(found)


def evaluate(text: str, values: Mapping[str, float | int | bool]) -> float | int:
    """The value of a formula.

    Args:
        text: the formula.
        values: numbers by name.

    Raises:
        SpecError: if it is no formula, a name has no number, or the result is not finite.
    """
    try:
        result = _value(_parsed(text), text, values)
    except (ArithmeticError, ValueError, TypeError) as failure:
        raise SpecError(f"the formula {text!r} has no value: {failure}") from None
    if not math.isfinite(result):
        raise SpecError(f"the formula {text!r} has no finite value")
    return result


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise SpecError(f"a formula has at most {LONGEST} characters; this one has {len(text)}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SpecError(f"{text!r} is neither a number nor a formula such as '10 / width'") from None


def _refuse(node: ast.AST, text: str) -> SpecError:
    return SpecError(
        f"the formula {text!r} holds {type(node).__name__!r}, which is not allowed: use numbers, settings, + - * / // % **, "
        f"brackets and {', '.join(FUNCTIONS)}"
    )


def _walk(node: ast.expr, text: str, found: set[str]) -> None:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            pass
        case ast.Name(id=name):
            if name not in CONSTANTS:
                found.add(name)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            _walk(left, text, found)
            _walk(right, text, found)
        case ast.UnaryOp(op=mark, operand=operand) if type(mark) in _UNARY:
            _walk(operand, text, found)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS and arguments:
            for argument in arguments:
                _walk(argument, text, found)
        case _:
            raise _refuse(node, text)


def _value(node: ast.expr, text: str, values: Mapping[str, float | int | bool]) -> float | int:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            if name in values:
                return values[name]
            if name in CONSTANTS:
                return CONSTANTS[name]
            raise SpecError(f"the formula {text!r} needs {name!r}, which is not a number here")
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left, text, values), _value(right, text, values))
        case ast.UnaryOp(op=mark, operand=operand) if type(mark) in _UNARY:
            return _UNARY[type(mark)](_value(operand, text, values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS and arguments:
            return FUNCTIONS[name](*(_value(argument, text, values) for argument in arguments))
    raise _refuse(node, text)

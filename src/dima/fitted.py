"""A fitted state is one frozen dataclass; here it becomes plain values and named arrays, and back.

Fields that are arrays become arrays, a dictionary of arrays or another such dataclass becomes arrays
under "field/...", everything else is kept as a plain value.
"""

import copy
import dataclasses
import functools
import inspect
import operator
import textwrap
import typing
from collections.abc import Callable
from types import FunctionType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from dima import check, settings
from dima.typing import ArrayLike, Arrays

__all__ = ["Fitted", "FittedEstimator", "below", "from_arrays", "to_arrays", "under"]

T = TypeVar("T")
_LINE = 100  # characters of a line of `help`
_ARRAY = type("ArrayLike", (), {"__module__": "builtins"})  # stands in `help` for the seven types of NumPy's


class Fitted(property, Generic[T]):
    """A public attribute read from the fitted dataclass; before `fit` it raises NotFittedError.

    Args:
        read: what takes the value from `fit_`.
        doc: shape, unit and meaning.
    """

    def __init__(self, read: Callable[[Any], T], doc: str) -> None:
        super().__init__(lambda estimator: read(check.fitted(estimator)))
        self.__doc__ = doc

    if TYPE_CHECKING:

        def __get__(self, estimator: Any, owner: type | None = None, /) -> T: ...  # type: ignore[override]  # says Any


class FittedEstimator:
    """What estimators share whose `fit` ends in `self.fit_ = <a frozen dataclass>`.

    The dataclass holds the settings it was fitted with as `settings`: `set_params` after `fit` changes
    nothing that is fitted.
    """

    Fit: ClassVar[type]
    fit_: Any

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            _explain(cls)

    def _store(self, arguments: dict[str, Any]) -> None:
        """Keep every argument of the constructor under its name; the signature is their only list."""
        for name in settings.declared(type(self)):
            setattr(self, name, arguments[name])

    def _shown_to(self, watch: Callable[[Self, int], None] | None) -> Callable[[Any, int], None]:
        """What shows a watch this estimator around each state of its training, and the number of that."""

        def show(fit: Any, number: int) -> None:
            if watch is not None:
                shown = copy.copy(self)
                shown.fit_ = fit
                watch(shown, number)

        return show

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fit_")

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes an equal estimator of."""
        plain, arrays = to_arrays(check.fitted(self))
        width = self.n_features_in_  # type: ignore[attr-defined]  # set by scikit-learn's validation
        return {"fit": plain, "n_features": width, "columns": check.feature_names(self)}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The estimator that `to_arrays` described."""
        fit: Any = from_arrays(cls.Fit, saved["fit"], arrays)
        named = settings.accept(cls.__name__, cls, fit.settings)
        self = cls(**settings.check(cls.__name__, cls, named))
        self.fit_ = fit
        check.remember(self, saved["n_features"], saved["columns"])
        return self


def to_arrays(fit: Any) -> tuple[dict[str, Any], Arrays]:
    """Plain values and named arrays of a fitted dataclass."""
    plain: dict[str, Any] = {}
    arrays: Arrays = {}
    for field in dataclasses.fields(fit):
        value, form = getattr(fit, field.name), _form(fit.__class__, field.name)
        if value is None or form is None:
            plain[field.name] = value
        elif form is np.ndarray:
            arrays[field.name] = np.asarray(value)
        else:
            plain[field.name], own = ({}, value) if form is dict else to_arrays(value)
            arrays |= under(field.name, {name: np.asarray(array) for name, array in own.items()})
    return plain, arrays


def from_arrays(kind: type[T], plain: dict[str, Any], arrays: Arrays) -> T:
    """The fitted dataclass of that kind that `to_arrays` described."""
    values: dict[str, Any] = {}
    dataclass: Any = kind
    for field in dataclasses.fields(dataclass):
        form = _form(dataclass, field.name)
        is_saved = field.name in plain or field.name in arrays
        if not is_saved and field.default is not dataclasses.MISSING:
            continue  # saved before there was such a field
        if form is np.ndarray and field.name not in plain:
            values[field.name] = arrays[field.name]
        elif form in (None, np.ndarray) or plain[field.name] is None:
            values[field.name] = plain[field.name]
        else:
            own = below(arrays, field.name)
            values[field.name] = own if form is dict else from_arrays(form, plain[field.name], own)
    return kind(**values)


def under(name: str, arrays: Arrays) -> Arrays:
    """The arrays as "name/...", which `below` takes apart again."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def below(arrays: Arrays, name: str) -> Arrays:
    """The arrays under "name/...", by what follows."""
    return {key.removeprefix(f"{name}/"): a for key, a in arrays.items() if key.startswith(f"{name}/")}


def _explain(estimator: type) -> None:
    """Let `help` list the settings of a class with rule and default, and its signatures by bare types."""
    listed = [
        textwrap.fill(
            f"{name}: {setting.help}; {settings.rule(setting.type)}. Default: {setting.default!r}.",
            _LINE,
            initial_indent="    ",
            subsequent_indent="        ",
            break_on_hyphens=False,
        )
        for name, setting in settings.declared(estimator).items()
    ]
    text, mark, example = inspect.cleandoc(estimator.__doc__ or "").partition("\nExample:")
    estimator.__doc__ = "\n".join([text.rstrip(), "", "Args:", *listed, mark + example])
    for function in vars(estimator).values():
        if isinstance(function, FunctionType):
            function.__signature__ = _bare(inspect.signature(function))  # type: ignore[attr-defined]  # may be set


def _bare(signature: inspect.Signature) -> inspect.Signature:
    made = [one.replace(annotation=_bare_type(one.annotation)) for one in signature.parameters.values()]
    return signature.replace(parameters=made, return_annotation=_bare_type(signature.return_annotation))


def _bare_type(hint: Any) -> Any:
    """A type without what `Annotated` adds; arrays by their name alone."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _bare_type(parts[0])
    if origin is np.ndarray:
        return origin
    if origin in (dict, tuple):
        return origin[tuple(map(_bare_type, parts))]
    if origin not in (typing.Union, UnionType):
        return hint
    members = set(typing.get_args(ArrayLike))
    named = [_ARRAY] if members <= set(parts) else []
    rest = [_bare_type(part) for part in parts if not (named and part in members)]
    return functools.reduce(operator.or_, named + rest)


@functools.cache
def _form(kind: Any, field: str) -> Any:
    """What a field holds: np.ndarray, dict (of arrays), a dataclass, or None for a plain value."""
    hint = typing.get_type_hints(kind)[field]
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    if type(None) in typing.get_args(hint) and len(options) == 1:
        (hint,) = options
    if dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) is dict and _is_array(typing.get_args(hint)[1]):
        return dict
    return np.ndarray if _is_array(hint) else None


def _is_array(hint: Any) -> bool:
    """Whether a type is NumPy's array or JAX's, which is read as one and comes back as NumPy's."""
    return typing.get_origin(hint) is np.ndarray or getattr(hint, "__name__", "").endswith("Array")

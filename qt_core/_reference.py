"""A NamedTuple by address: what kernels pass on is one pointer instead of every array in it, field by field.

State, Venue, Bars, Rows and Out hold some forty arrays, each a pointer, a shape and strides. Passed by value, a call that is
not inlined copies a hundred and forty numbers, about 300 ns where the copies collide in the processor's store buffer. The
entries (``engine.run``) take them by value and hand on their addresses; ``x.field`` reads the same.
"""

import hashlib
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, register_model

from qt_core._jit import INTERPRETED


class Reference(types.Type):
    """The address of a NamedTuple that does not change while it is in use."""

    def __init__(self, target: Any) -> None:
        self.target = target
        # the target's own name spells out every field of every record: a mangled name of 28 kB
        digest = hashlib.sha256(str(target).encode()).hexdigest()[:16]
        super().__init__(f"Reference{target.instance_class.__name__}{digest}")

    @property
    def key(self) -> Any:
        return self.target


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Reference) -> None:
        super().__init__(dmm, fe_type, dmm.lookup(fe_type.target).get_value_type().as_pointer())


@infer_getattr
class _ReferenceAttribute(AttributeTemplate):  # type: ignore[misc]
    key = Reference

    def generic_resolve(self, reference: Reference, attr: str) -> Any:
        target = reference.target
        return target[target.fields.index(attr)] if attr in target.fields else None


def _load(builder: Any, pointer: Any) -> Any:
    """The value at ``pointer``, number by number: what is not used costs nothing, and no store in between counts."""
    kind = pointer.type.pointee
    if not isinstance(kind, ir.Aggregate):
        value = builder.load(pointer)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value
    whole = ir.Constant(kind, ir.Undefined)
    for k in range(len(kind)):
        whole = builder.insert_value(whole, _load(builder, cgutils.gep_inbounds(builder, pointer, 0, k)), k)
    return whole


@lower_getattr_generic(Reference)  # type: ignore[untyped-decorator]
def _reference_getattr(context: Any, builder: Any, reference: Reference, value: Any, attr: str) -> Any:
    index = reference.target.fields.index(attr)
    field = _load(builder, cgutils.gep_inbounds(builder, value, 0, index))
    return impl_ret_borrowed(context, builder, reference.target[index], field)


@intrinsic  # type: ignore[untyped-decorator]
def _by_reference_compiled(_context: Any, target: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slot = cgutils.alloca_once_value(builder, args[0])
        # no load may be moved before the store above: from here on the compiler does not know what the address is
        kind = ir.FunctionType(slot.type, [slot.type])
        return builder.asm(kind, "", "=r,0,~{memory}", [slot], side_effect=True)

    return Reference(target)(target), codegen


def _by_reference_interpreted(target: Any) -> Any:
    """The NamedTuple itself."""
    return target


by_reference: Any = _by_reference_interpreted if INTERPRETED else _by_reference_compiled

"""Authlib is synchronous, the database is not: a greenlet lets Authlib's hooks await in the caller's own task.

No thread is involved, so the caller's context and transaction stay the same.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple, Unpack

from greenlet import getcurrent, greenlet

Result = TypeVar("Result")
Words = TypeVarTuple("Words")


async def call(work: Callable[[Unpack[Words]], Result], *words: *Words) -> Result:
    """Runs synchronous `work`, inside of which `wait` may be used."""
    inner = greenlet(work)
    inner.gr_context = getcurrent().gr_context
    result: Any = inner.switch(*words)
    while not inner.dead:
        try:
            value = await result
        except BaseException as error:  # a cancellation must unwind the synchronous side too
            result = inner.throw(error)
        else:
            result = inner.switch(value)
    return result


def wait(awaitable: Awaitable[Result]) -> Result:
    """The result of `awaitable`, from synchronous code that `call` runs.

    Raises RuntimeError when called from anywhere else.
    """
    outer = getcurrent().parent
    if outer is None:
        raise RuntimeError("wait() works only inside of bridge.call()")
    return outer.switch(awaitable)

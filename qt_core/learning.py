"""What both Q-tables (modules 19 and 21) share: schedules, the update, when to explore, and what teaches. SPEC section 4.

One-step (terminal) Q-learning: Watkins and Dayan 1992, "Q-learning"; with no successor state the target is the reward alone.
The step may shrink with visits so that a table settles (Robbins and Monro 1951); SPEC's defaults keep it constant.
Kernels are pure: the tables are written by the pipeline, uniforms come in.
"""

from typing import Any

from qt_core._jit import kernel
from qt_core.codes import EXIT_EMERGENCY, EXIT_NONE, EXIT_ORDER, EXIT_RECONCILE, LEARN_FROZEN, OFF
from qt_core.numerics import is_finite


@kernel
def known(q: float) -> float:
    """``q``, or 0 (nothing learned) where it is not finite."""
    return q if is_finite(q) else 0.0


@kernel
def decayed(first: float, least: float, decay: float, k: int) -> float:
    """Hyperbolic schedule ``max(least, first / (1 + decay k))`` after ``k`` updates; ``decay`` 0 keeps ``first``."""
    if decay == 0.0:
        return max(least, first)
    return max(least, first / (1.0 + decay * k))


@kernel
def epsilon_at(p: Any, updates: int) -> float:
    """Share of exploring decisions of a module with Params ``p`` after ``updates`` updates of its table."""
    return decayed(p.epsilon, p.epsilon_min, p.epsilon_decay, updates)


@kernel
def alpha_at(p: Any, visits: int) -> float:
    """Step for a (state, action) of its table that has been updated ``visits`` times."""
    return decayed(p.alpha, p.alpha_min, p.alpha_decay, visits)


@kernel
def moved(q: float, reward: float, alpha: float) -> float:
    """``q + alpha (reward - q)``; a reward or step that is not finite teaches nothing, an old value that is not counts 0."""
    old = known(q)
    new = old + alpha * (reward - old)
    return new if is_finite(new) else old


@kernel
def explores(epsilon: float, u1: float, u2: float) -> bool:
    """True where this decision is drawn: ``u1`` below ``epsilon``, and ``u2`` a uniform in [0, 1) to draw with."""
    return u1 < epsilon and u2 >= 0.0 and u2 < 1.0


@kernel
def place(u: float, n: int) -> int:
    """Which of ``n`` equally likely places the uniform ``u`` names, 0..n-1."""
    return min(int(u * n), n - 1)


@kernel
def learns(mode: int, learning: int, exit_reason: int) -> int:
    """What a closed position teaches: LEARN_FROZEN nothing, LEARN_SHADOW the journalled copy, LEARN_ON the table that acts.

    Manual, reconcile and emergency closes teach nothing (SPEC section 3, module 19): they judge a person or a fault,
    not the choice. A module that is OFF chose nothing.
    """
    if mode == OFF or exit_reason in (EXIT_NONE, EXIT_ORDER, EXIT_RECONCILE, EXIT_EMERGENCY):
        return LEARN_FROZEN
    return learning

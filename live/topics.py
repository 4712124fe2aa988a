"""What a session tells the outside: one topic and one payload a kind of news.

Times are int64 ms UTC, money USD, symbols by name: subscribers are people, the HTTP API, files and alerts, not the chain.
"""

from typing import Any, Generic, NamedTuple, TypeVar

P = TypeVar("P")


class Topic(Generic[P]):
    """A name and the type of what is published under it."""

    def __init__(self, name: str, payload: type[P]) -> None:
        self.name, self.payload = name, payload

    def __repr__(self) -> str:
        return f"Topic({self.name})"


class SessionStarted(NamedTuple):
    """A session begins or goes on after a restart."""

    time_ms: int
    run_id: str
    mode: str  # "paper", "live", "replay"
    symbols: tuple[str, ...]
    resumed: bool
    config_digest: str


class SessionStopped(NamedTuple):
    """A session ends."""

    time_ms: int
    run_id: str
    reason: str
    clean: bool


class BarClosed(NamedTuple):
    """A bar was decided on."""

    open_ms: int
    n_valid: int
    n_expected: int
    late: tuple[str, ...]  # symbols that had not arrived by the deadline
    took_ms: float  # from the bar's arrival to the last request
    equity_usd: float


class SignalGenerated(NamedTuple):
    """The ensemble asks for a side."""

    time_ms: int
    symbol: str
    side: int  # +1 buy, -1 sell
    confidence: float
    strategy: str


class PositionOpened(NamedTuple):
    """The first fill of an entry."""

    time_ms: int
    symbol: str
    trade_id: int
    side: int
    qty: float
    price: float
    leverage: float


class PositionChanged(NamedTuple):
    """More or less of a position, or its protection moved."""

    time_ms: int
    symbol: str
    trade_id: int
    qty: float  # signed, after the change
    avg_price: float
    stop: float  # NaN: none
    target: float
    why: str


class PositionClosed(NamedTuple):
    """The last fill of an exit."""

    time_ms: int
    symbol: str
    trade_id: int
    side: int
    price: float
    pnl_usd: float  # after fees and funding
    r_multiple: float
    why: str


class OrderSent(NamedTuple):
    """A request went to the venue."""

    time_ms: int
    client_id: str
    symbol: str
    op: str  # "new", "cancel", "amend"
    tag: str
    side: int
    qty: float
    price: float  # NaN: market


class OrderEnded(NamedTuple):
    """An order is done: filled, cancelled, expired or refused."""

    time_ms: int
    client_id: str
    symbol: str
    how: str
    filled: float
    avg_price: float
    reason: str


class EmergencyTriggered(NamedTuple):
    """The emergency stop latched."""

    time_ms: int
    by: str  # evaluator
    text: str


class EmergencyReset(NamedTuple):
    """A person reset the emergency stop."""

    time_ms: int
    by: str
    reason: str
    latched_ms: int


class HealthChanged(NamedTuple):
    """Module 15's verdict is another one."""

    time_ms: int
    health: str
    before: str
    worst: str  # check that names the action
    action: str
    failing: tuple[str, ...]


class HealingStep(NamedTuple):
    """A recovery was tried, helped, failed or was escalated."""

    time_ms: int
    stage: str
    action: str
    attempt: int
    text: str


class ModelChanged(NamedTuple):
    """Another bundle decides."""

    time_ms: int
    before: str
    after: str
    why: str


class PolicyChanged(NamedTuple):
    """Another policy row holds."""

    time_ms: int
    mode: str
    version: int
    source: str


class AlertRaised(NamedTuple):
    """An alert went out to people."""

    time_ms: int
    severity: int
    key: str
    title: str
    seen: int


SESSION_STARTED = Topic("session_started", SessionStarted)
SESSION_STOPPED = Topic("session_stopped", SessionStopped)
BAR_CLOSED = Topic("bar_closed", BarClosed)
SIGNAL_GENERATED = Topic("signal_generated", SignalGenerated)
POSITION_OPENED = Topic("position_opened", PositionOpened)
POSITION_CHANGED = Topic("position_changed", PositionChanged)
POSITION_CLOSED = Topic("position_closed", PositionClosed)
ORDER_SENT = Topic("order_sent", OrderSent)
ORDER_ENDED = Topic("order_ended", OrderEnded)
EMERGENCY_TRIGGERED = Topic("emergency_triggered", EmergencyTriggered)
EMERGENCY_RESET = Topic("emergency_reset", EmergencyReset)
HEALTH_CHANGED = Topic("health_changed", HealthChanged)
HEALING_STEP = Topic("healing_step", HealingStep)
MODEL_CHANGED = Topic("model_changed", ModelChanged)
POLICY_CHANGED = Topic("policy_changed", PolicyChanged)
ALERT_RAISED = Topic("alert_raised", AlertRaised)

TOPICS: tuple[Topic[Any], ...] = (
    SESSION_STARTED,
    SESSION_STOPPED,
    BAR_CLOSED,
    SIGNAL_GENERATED,
    POSITION_OPENED,
    POSITION_CHANGED,
    POSITION_CLOSED,
    ORDER_SENT,
    ORDER_ENDED,
    EMERGENCY_TRIGGERED,
    EMERGENCY_RESET,
    HEALTH_CHANGED,
    HEALING_STEP,
    MODEL_CHANGED,
    POLICY_CHANGED,
    ALERT_RAISED,
)

"""Settings of the Binance adapters: every constant, its unit and why it has this value."""

from typing import NamedTuple


class ConnectionSettings(NamedTuple):
    """How the exchange is reached."""

    real: bool = False  # real money: only where said so; else the exchange's demo account
    rest_url: str = ""  # another exchange in the same dialect (tests): "http://host:port"; empty = ccxt's own addresses
    ws_url: str = ""  # "ws://host:port"
    timeout_ms: int = 10_000  # of one request; then its outcome is unknown
    recv_window_ms: int = 3_000  # a request that reaches the exchange later than this is refused there
    dial_ms: int = 10_000  # to open a WebSocket
    redial_ms: int = 500  # between two attempts; ccxt adds its own growing delay for a dead address
    linger_ms: int = 250  # for sockets to close at the end
    clock_samples: int = 5  # of the server's time; the one with the shortest round trip counts
    clock_ms: int = 600_000  # between two measurements of the clock
    skew_warn_ms: int = 500  # clocks further apart are reported


class BudgetSettings(NamedTuple):
    """Shares of the exchange's limits, which stand in exchangeInfo (weight, orders) and are read from answers."""

    weight_minute: float = 2_400.0  # request weight per minute and address
    orders_10s: float = 300.0
    orders_minute: float = 1_200.0
    calm_share: float = 0.5  # reconciliation and backfill stop at this share of a limit,
    entry_share: float = 0.8  # entries at this, so that what protects always has room
    urgent_share: float = 0.98  # stops, exits and cancels
    retry_after_ms: int = 1_000  # pause after a 429 without Retry-After
    ban_ms: int = 120_000  # pause after a 418 without Retry-After: the shortest ban


class BrokerSettings(NamedTuple):
    """Orders, the user stream and the ledger."""

    max_retries: int = 3  # of what protects, reduces or cancels; the chain itself repeats a refused entry
    retry_ms: int = 250  # before the first retry, doubled for each further one,
    retry_cap_ms: int = 2_000  # up to this
    patience_ms: int = 20_000  # for so long a busy exchange is asked again for what protects, however often that is
    account_reads: int = 3  # tries to read the account while nothing happens
    again_ms: int = 10_000  # after a cancel that failed for all that: what the chain has given up must not stay
    submit_wait_ms: int = 2_000  # a call of the runner waits so long; what is not done by then goes on beside it
    entry_wait_ms: int = 2_000  # an entry that would wait longer for the rate limits is refused, EXCHANGE_BUSY
    unknown_ms: int = 500  # between two questions after an order of unknown outcome
    slippage_cap: float = 0.0015  # aelm.slippage_cap: a market entry that would cross more becomes IOC at the cap
    working_type: int = 0  # venue.working_type: 0 last price, 1 mark price triggers stops and targets
    keep_alive_ms: int = 1_800_000  # the listen key dies after 60 minutes
    reconcile_ms: int = 300_000  # between comparisons of books and account, whatever the stream says
    gap_ms: int = 500  # how long a fill may be missing before REST is asked for it
    gap_asks: int = 3  # how often; then what waits is let out, and the comparison with the exchange shows the rest
    tick_ms: int = 100  # between two looks at what is due: expiries, gaps, comparisons
    overlap_ms: int = 10_000  # what may have been missed is asked from so long before books and account last agreed
    settle_ms: int = 1_000  # without news for so long the ledger is compared with the exchange
    tolerance_usd: float = 0.01  # a difference below is rounding; beyond, EV_ADJUST
    stuck_ms: int = 5_000  # a conditional order triggered for so long without an order counts as cancelled
    page: int = 1_000  # rows of one REST answer
    close_ms: int = 5_000  # for what is still being sent when the session ends
    remember: int = 100_000  # keys of events kept against duplicates


class FeedSettings(NamedTuple):
    """Bars, quotes and books."""

    ask_ms: int = 2_000  # after a bar's close: symbols that have not arrived are asked for by REST
    deadline_ms: int = 5_000  # after a bar's close it is given, with what is missing marked
    give_up_bars: int = 3  # a symbol absent for so many bars in a row is not waited for until it is back
    mark_edge_ms: int = 5_000  # marks come every 1 to 3 s; a longer silence inside a bar means it was not heard wholly
    retry_ms: int = 1_000  # between two tries of a backfill, doubled up to
    retry_cap_ms: int = 30_000
    backfill_bars: int = 500  # bars fetched before the first of them is given
    backfill_limit: int = 1_000  # bars of one REST answer
    parallel: int = 4  # REST questions at a time
    streams_per_subscribe: int = 200  # names in one SUBSCRIBE message
    depth_levels: int = 1_000  # of a snapshot
    depth_symbols: int = 20  # books kept; the others have their best bid and ask
    book_levels: int = 50  # levels of a Depth
    resnapshot_ms: int = 1_000  # between two snapshots of one book
    quote_stale_ms: int = 60_000  # without any frame for so long a connection is dialled anew

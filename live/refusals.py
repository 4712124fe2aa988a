"""What a start refuses before anything is compiled, written or asked of an exchange."""

from live.bootstrap import check_safe
from live.settings import live_settings
from qt_core.config import Config


def check_start(config: Config, kind: str) -> None:
    """Settings, modules that must bind, and on an exchange the symbols, the keys and where the signals come from.

    Parameters
    ----------
    kind : "replay", "paper", "testnet" or "live".

    Raises
    ------
    ConfigError, LiveError
        One line: what, where, what was expected.
    """
    live_settings(config)
    check_safe(config)
    if kind == "replay":
        return
    from live.exchange import LIVE, TESTNET, check_signals, exchange_symbols, keys_file
    from live.secrets import load_keys

    exchange_symbols(config)
    check_signals(config)
    if kind in (TESTNET, LIVE):
        load_keys(kind != LIVE, keys_file())

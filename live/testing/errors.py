"""The exchange's refusals: code, HTTP status and text. One name each; ``ApiError`` carries one to the client."""

from typing import Any, NamedTuple

BAD_REQUEST, UNAUTHORISED, NOT_FOUND, TEAPOT, TOO_MANY, UNAVAILABLE = 400, 401, 404, 418, 429, 503


class Refusal(NamedTuple):
    """One row of the exchange's error table."""

    code: int
    text: str
    status: int = BAD_REQUEST


UNKNOWN = Refusal(-1000, "An unknown error occurred while processing the request.")
TOO_MUCH_WEIGHT = Refusal(
    -1003, "Too much request weight used; current limit is {} request weight per 1 MINUTE.", TOO_MANY
)
BANNED = Refusal(-1003, "Way too much request weight used; IP banned until {}.", TEAPOT)
TIMEOUT = Refusal(
    -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 408
)
BUSY = Refusal(
    -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", UNAVAILABLE
)
TOO_MANY_ORDERS = Refusal(-1015, "Too many new orders; current limit is {} orders per {}.", TOO_MANY)
UNSUPPORTED = Refusal(-1020, "This operation is not supported: {}.")
OUT_OF_TIME = Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD_OF_TIME = Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
BAD_SIGNATURE = Refusal(-1022, "Signature for this request is not valid.")
BAD_CHARACTERS = Refusal(-1100, "Illegal characters found in parameter '{}'.")
MISSING = Refusal(-1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed.")
NOT_REQUIRED = Refusal(-1106, "Parameter '{}' sent when not required.")
PRECISION = Refusal(-1111, "Precision is over the maximum defined for this asset.")
BAD_TIME_IN_FORCE = Refusal(-1115, "Invalid timeInForce.")
BAD_TYPE = Refusal(-1116, "Invalid orderType.")
BAD_SIDE = Refusal(-1117, "Invalid side.")
BAD_INTERVAL = Refusal(-1120, "Invalid interval.")
BAD_SYMBOL = Refusal(-1121, "Invalid symbol.")
NO_LISTEN_KEY = Refusal(-1125, "This listenKey does not exist.")
BAD_DATA = Refusal(-1130, "Data sent for parameter '{}' is not valid.")
UNKNOWN_ORDER = Refusal(-2011, "Unknown order sent.")
NO_SUCH_ORDER = Refusal(-2013, "Order does not exist.")
BAD_KEY_FORMAT = Refusal(-2014, "API-key format invalid.", UNAUTHORISED)
REJECTED_KEY = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", UNAUTHORISED)
NO_MARGIN = Refusal(-2019, "Margin is insufficient.")
WOULD_TRIGGER = Refusal(-2021, "Order would immediately trigger.")
REDUCE_ONLY = Refusal(-2022, "ReduceOnly Order is rejected.")
MAX_OPEN_ORDERS = Refusal(-2025, "Reach max open order limit.")
MAX_POSITION = Refusal(-2027, "Exceeded the maximum allowable position at current leverage.")
PRICE_NEGATIVE = Refusal(-4001, "Price less than 0.")
PRICE_TOO_HIGH = Refusal(-4002, "Price greater than max price.")
QTY_NEGATIVE = Refusal(-4003, "Quantity less than or equal to zero.")
QTY_TOO_SMALL = Refusal(-4004, "Quantity less than min quantity.")
QTY_TOO_LARGE = Refusal(-4005, "Quantity greater than max quantity.")
STOP_NEGATIVE = Refusal(-4006, "Stop price less than zero.")
PRICE_TOO_LOW = Refusal(-4013, "Price less than min price.")
TICK = Refusal(-4014, "Price not increased by tick size.")
BAD_CLIENT_ID = Refusal(-4015, "Client order id is not valid.")
ABOVE_MARK = Refusal(-4016, "Limit price can't be higher than {}.")
STEP = Refusal(-4023, "Qty not increased by step size.")
BELOW_MARK = Refusal(-4024, "Limit price can't be lower than {}.")
BAD_LEVERAGE = Refusal(-4028, "Leverage {} is not valid.")
BAD_WORKING_TYPE = Refusal(-4031, "Invalid parameter working type: {}.")
SAME_MARGIN_TYPE = Refusal(-4046, "No need to change margin type.")
MARGIN_OPEN_ORDERS = Refusal(-4047, "Margin type cannot be changed if there exists open orders.")
MARGIN_POSITION = Refusal(-4048, "Margin type cannot be changed if there exists position.")
SAME_POSITION_SIDE = Refusal(-4059, "No need to change position side.")
BAD_POSITION_SIDE = Refusal(-4061, "Order's position side does not match user's setting.")
SIDE_OPEN_ORDERS = Refusal(-4067, "Position side cannot be changed if there exists open orders.")
SIDE_POSITION = Refusal(-4068, "Position side cannot be changed if there exists position.")
DUPLICATE_ID = Refusal(-4116, "ClientOrderId is duplicated.")
USE_ALGO = Refusal(
    -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
)
QTY_WITH_CLOSE = Refusal(-4137, "Quantity must be zero with closePosition equals true.")
SYMBOL_CLOSED = Refusal(-4141, "Symbol is closed.")
LEVERAGE_DOWN = Refusal(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions.")
MIN_NOTIONAL = Refusal(-4164, "Order's notional must be no smaller than {} (unless you choose reduce only).")
BAD_WINDOW = Refusal(-4165, "Invalid time interval")
NO_PATH = Refusal(-5000, "Path {}, Method {} is invalid", NOT_FOUND)
POST_ONLY = Refusal(-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.")
ONLY_LIMIT = Refusal(-5025, "Only limit order is supported.")
NO_CHANGE = Refusal(-5027, "No need to modify the order.")
UNKNOWN_EXECUTION = Refusal(-1, "Unknown error, please check your request or try again later.", UNAVAILABLE)
MAINTENANCE = Refusal(-1016, "This service is no longer available.", UNAVAILABLE)
BROKEN = Refusal(-1001, "Internal error; unable to process your request. Please try again.", 500)


class ApiError(Exception):
    """A refusal on its way to the client."""

    def __init__(self, refusal: Refusal, *words: object) -> None:
        super().__init__(refusal.text.format(*words))
        self.refusal = refusal

    @property
    def body(self) -> dict[str, Any]:
        return {"code": self.refusal.code, "msg": str(self)}

"""What AWS asks: on demand, us-east-1, arm64, after the free tier, in US dollars.

Source: the public price pages of the services, November 2026. Mind your own region's.
"""

from __future__ import annotations

_MILLION = 1_000_000
_GB = 1_000_000_000

PRICES: dict[str, float] = {
    "HTTP API requests": 1.00 / _MILLION,
    "Lambda requests": 0.20 / _MILLION,
    "Lambda GB-seconds": 0.0000133334,
    "SQS requests (64 KiB)": 0.40 / _MILLION,
    "SQS FIFO requests (64 KiB)": 0.50 / _MILLION,
    # On top, for a request that names a message group on a standard queue, which only SendMessage does.
    "SQS fair queue requests": 0.10 / _MILLION,
    "DynamoDB write units": 0.625 / _MILLION,
    "DynamoDB read units": 0.125 / _MILLION,
    "Secrets Manager calls": 0.05 / 10_000,
    "S3 puts": 5.00 / _MILLION,
    "S3 gets": 0.40 / _MILLION,
    "EventBridge events": 1.00 / _MILLION,
    "CloudWatch Logs bytes": 0.50 / _GB,
}
"""Price of one unit by its name; what is not here has no price, and using it stops the measure."""

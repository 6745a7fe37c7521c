"""Mail hosts that check tokens for real and keep every message instead of delivering it."""

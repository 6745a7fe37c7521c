"""A load of mixed messages over both doors of the local stack while its processes are killed, and its balance sheet."""

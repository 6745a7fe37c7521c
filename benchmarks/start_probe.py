"""Runs in a fresh interpreter: import one module until its handler could run, then join what its main road needs.

Called as a script with the module's folder, its name, and the names to ask of its `wiring()`; `name=argument` and
`name=` are called, `client:service` makes an AWS client. Prints the seconds to the handler and to the end as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

if __name__ == "__main__":
    folder, name, *joins = sys.argv[1:]
    sys.path.insert(0, folder)
    begin = time.perf_counter()
    module = importlib.import_module(name)
    if not callable(module.lambda_handler):
        raise TypeError(name)
    handler = time.perf_counter() - begin
    for join in joins:
        if join.startswith("client:"):
            module.wiring().clients.made(join.removeprefix("client:"))
            continue
        attribute, called, argument = join.partition("=")
        value = getattr(module.wiring(), attribute)
        if called:
            value(*filter(None, [argument]))
    sys.stdout.write(json.dumps([handler, time.perf_counter() - begin]))

"""MLServer on the port in BENCH_PORT: python serving_mlserver.py FOLDER."""

import asyncio
import os
import socket
import sys

from mlserver.cli.serve import load_settings
from mlserver.server import MLServer


def spare_port() -> int:
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        return int(spare.getsockname()[1])


async def main() -> None:
    settings, models = await load_settings(sys.argv[1])
    settings.host, settings.http_port = "127.0.0.1", int(os.environ["BENCH_PORT"])
    settings.grpc_port, settings.metrics_port = spare_port(), spare_port()
    await MLServer(settings).start(models)


if __name__ == "__main__":
    asyncio.run(main())

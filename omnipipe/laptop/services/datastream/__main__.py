"""``python -m omnipipe.laptop.services.datastream CONFIG.json``: run one stream until SIGTERM."""

import gc
import logging
import signal
import sys
import threading
from pathlib import Path

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.datastream import config
from omnipipe.laptop.services.datastream.worker import Worker
from omnipipe.runtime import log


def main() -> int:
    """Exit code 0 after SIGTERM or SIGINT, 1 when the stream cannot run."""
    # A batch is tens of thousands of lists without a cycle. At its default the collector walks them again and again.
    gc.set_threshold(200_000)
    log.configure("datastream")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        Worker(config.read(Path(sys.argv[1])), stop).run()
    except LaptopError as error:
        for line in str(error).splitlines():
            logging.getLogger("omnipipe.laptop.services.datastream").error(line)
        return 1
    except Exception:
        # On Google a stream that fails logs an error, whatever the cause.
        logging.getLogger("omnipipe.laptop.services.datastream").exception("the stream has failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

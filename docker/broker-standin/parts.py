"""Print where the broker and Java are, one a line; both are fetched once."""

import sys

from exporter.demo.download import broker_home, java
from exporter.demo.errors import BrokerUnavailableError
from exporter.demo.screen import Screen

try:
    print(broker_home(Screen(sys.stderr)))
    print(java().parents[1])
except BrokerUnavailableError as error:
    sys.exit(str(error))

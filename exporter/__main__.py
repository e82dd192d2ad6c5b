"""`python -m exporter` is the command `app-integrations-exporter`."""

import sys

from exporter.cli import main

sys.exit(main())

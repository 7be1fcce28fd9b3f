"""`python -m commands`: the same as `floodgate`."""

import sys

from commands.main import main

sys.exit(main())

"""`python -m llmgine_core.cli`."""

import sys

from llmgine_core.cli import main

if __name__ == "__main__":
    sys.exit(main())

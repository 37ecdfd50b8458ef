"""``python -m monitor`` is the command ``bouncemon``."""

from monitor.service.cli import main

if __name__ == "__main__":
    main()

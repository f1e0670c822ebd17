"""``python -m crossent`` and the ``crossent`` command."""

from crossent.cli import main

if __name__ == "__main__":
    main()

"""`python -m dima`: the command line."""

from dima.cli import main

if __name__ == "__main__":
    main()

"""`coremachine`, also as `python -m triggers.cli`."""

from triggers.cli.app import main

if __name__ == "__main__":
    main()

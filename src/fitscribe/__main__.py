"""The command line as `python -m fitscribe`."""

from fitscribe.cli import main

if __name__ == "__main__":
    main(prog_name="fitscribe")

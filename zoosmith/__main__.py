"""Lets `python -m zoosmith` run the command line."""

from zoosmith.cli import main

main()

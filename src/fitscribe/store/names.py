"""Names for runs that were given none: an adjective, a noun and a number."""

from __future__ import annotations

import secrets

__all__ = ["random_name"]

ADJECTIVES = """
able amber ample bold brave brisk calm candid careful cheery clever crisp curious daring eager fair fleet fond
gentle glad grand handy honest humble jolly keen kind lively lucky mellow merry neat nimble patient placid
plucky polite proud quick quiet rapid ready serene shiny silent sleek smooth snowy sober spry stately steady
sunny swift tidy trusty upbeat valiant vivid warm wise witty zesty
"""
NOUNS = """
ant auk badger bass bear bee bison boar cat chimp colt cow crab crane crow cub deer dog dove duck eel elk ewe
finch fish flea fly fowl fox frog gnat goat goose grouse grub gull hare hawk hen heron hog horse hound jay
kite koi lamb lark loon lynx mink mole moose moth mouse mule newt orca otter owl panda perch pig pony quail
ram rat raven robin seal shark sheep shrew skunk slug smelt snail snake sow squid stag stork swan tern toad
trout vole wasp whale wolf worm wren yak
"""


def random_name() -> str:
    """Return such a name; the user's seeds have no part in it."""
    return f"{secrets.choice(ADJECTIVES.split())}-{secrets.choice(NOUNS.split())}-{secrets.randbelow(1000)}"

"""Compile the fire model once, where its cache lies, so that no fire waits for it: `python -m services.fire.warm`."""

import numpy as np

from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.rothermel import Moisture, Wind, behaviour
from services.fire.spread import spread

DRY = Moisture(0.06, 0.07, 0.08, 0.6, 0.9)
GRASS = 102


def warm() -> None:
    """A fire of a few cells. Takes seconds where nothing is compiled yet, and less than one where it is."""
    behaviour(GRASS, DRY, Wind(1.0, 0.0))
    land = Landscape.of(30.0, np.full((9, 9), GRASS))
    spread(land, Weather.of(Wind(1.0, 0.0), DRY), Ignition.at([(4, 4)]), 10.0)


if __name__ == "__main__":
    warm()

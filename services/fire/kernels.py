"""The compiled core: what a fuel does under wind, slope and moisture, and when each cell burns.

Importing this module imports numba, so only functions do it. All kernels stand in one file because numba's cache on
disk looks at the file of the kernel it kept, and would not notice a change in another one.
"""

import math
from typing import Any

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")

BED = 6
"""Columns of a bed: rate without wind and slope (m/min), coefficients of slope and wind, exponent of wind, heat per
area (kJ/m2), and the greatest wind that counts (ft/min)."""
RATE, SLOPE, WIND, POWER, HEAT, LIMIT = range(BED)
DEAD = 4
"""Classes of fuel particles: dead 1 h, 10 h, 100 h and cured herbs; then live herbs and live wood."""

FEET = 0.3048
KJ_PER_M2 = 11.3565
"""Of a BTU per square foot."""
FEET_PER_MINUTE = 196.850394
"""Of a metre per second."""
TEN_METRES = 1.15
"""Wind at 10 m is so much stronger than at 20 ft, where the equations want it."""
MILES_PER_HOUR = 88.0
"""A mile per hour in feet per minute."""
SLOWEST = 1e-6
"""m/min; below it nothing burns."""
UNKNOWN = -1.0
"""The rate of a bed that was not worked out yet."""
LONGEST = 8.0
GREEN, CURED = 1.2, 0.3
"""Moistures of herbs that are all alive, and all dry (Burgan 1979)."""
BUCKET = 0.25
"""Minutes of arrival that are taken up together."""


@compiled
def particles(fuel: Any, moist: Any, load: Any, size: Any, wet: Any) -> None:
    """Loads, surface-to-volume ratios and moistures per class, with dry herbs counted as dead."""
    load[0], load[1], load[2], load[3], load[4], load[5] = (
        fuel[2], fuel[3], fuel[4], 0.0, fuel[5], fuel[6],
    )  # fmt: skip
    size[0], size[1], size[2], size[3], size[4], size[5] = (
        fuel[7], 109.0, 30.0, fuel[8], fuel[8], fuel[9],
    )  # fmt: skip
    wet[0], wet[1], wet[2], wet[3], wet[4], wet[5] = (
        moist[0], moist[1], moist[2], moist[0], moist[3], moist[4],
    )  # fmt: skip
    if fuel[1] > 0:
        cured = min(1.0, max(0.0, (GREEN - moist[3]) / (GREEN - CURED)))
        load[3], load[4] = load[4] * cured, load[4] * (1 - cured)
    for i in range(6):
        if load[i] <= 0:
            size[i] = 0.0


@compiled
def size_class(ratio: float) -> int:
    """Particles of one class burn as one; -1 is too thick to count."""
    if ratio >= 1200:
        return 0
    if ratio >= 192:
        return 1
    if ratio >= 96:
        return 2
    if ratio >= 48:
        return 3
    return 4 if ratio >= 16 else -1


@compiled
def surface_shares(load: Any, size: Any, first: int, end: int, share: Any) -> float:
    """Fill in each particle's share of the surface of its category; returns that surface."""
    whole = 0.0
    for i in range(first, end):
        whole += load[i] * size[i] / 32.0
    for i in range(first, end):
        share[i] = load[i] * size[i] / 32.0 / whole if whole > 0 else 0.0
    return whole


@compiled
def category(load: Any, size: Any, wet: Any, share: Any, first: int, end: int) -> Any:
    """Net load, surface-to-volume ratio, moisture and heat to ignition of the dead or of the live fuel."""
    net, ratio, water, heat = 0.0, 0.0, 0.0, 0.0
    for i in range(first, end):
        kind = size_class(size[i])
        together = 0.0
        for j in range(first, end):
            if kind >= 0 and size_class(size[j]) == kind:
                together += share[j]
        net += together * load[i] * (1 - 0.0555)
        ratio += share[i] * size[i]
        water += share[i] * wet[i]
        if size[i] > 0:
            heat += share[i] * math.exp(-138.0 / size[i]) * (250.0 + 1116.0 * wet[i])
    return net, ratio, water, heat


@compiled
def live_extinction(load: Any, size: Any, wet: Any, dead_extinction: float) -> float:
    """The moisture at which live fuel no longer carries fire, which depends on the dead fuel that heats it."""
    fine, fine_wet, live = 0.0, 0.0, 0.0
    for i in range(6):
        if size[i] <= 0:
            continue
        if i < DEAD:
            heating = load[i] * math.exp(-138.0 / size[i])
            fine += heating
            fine_wet += heating * wet[i]
        else:
            live += load[i] * math.exp(-500.0 / size[i])
    if live <= 0 or fine <= 0:
        return dead_extinction
    dry = 1 - fine_wet / fine / dead_extinction
    return max(dead_extinction, 2.9 * fine / live * dry - 0.226)


@compiled
def damping(moisture: float, extinction: float) -> float:
    r = min(1.0, moisture / extinction) if extinction > 0 else 1.0
    return max(0.0, 1 - 2.59 * r + 5.11 * r * r - 3.52 * r * r * r)


@compiled
def bed_of(fuel: Any, moist: Any, bed: Any) -> None:
    """What a fuel model does at a moisture, before wind and slope (Rothermel 1972, Albini 1976)."""
    bed[:] = 0.0
    load, size, wet, share = np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(6)
    particles(fuel, moist, load, size, wet)
    depth, extinction, content = fuel[10], fuel[11], fuel[12]
    dead = surface_shares(load, size, 0, DEAD, share)
    live = surface_shares(load, size, DEAD, 6, share)
    if fuel[0] == 0 or depth <= 0 or dead + live <= 0:
        return
    of_dead, of_live = dead / (dead + live), live / (dead + live)
    dead_net, dead_ratio, dead_wet, dead_heat = category(load, size, wet, share, 0, DEAD)
    live_net, live_ratio, live_wet, live_heat = category(load, size, wet, share, DEAD, 6)
    ratio = of_dead * dead_ratio + of_live * live_ratio
    density = load.sum() / depth
    packing = density / 32.0
    relative = packing / (3.348 * ratio**-0.8189)
    a = 133.0 * ratio**-0.7913
    fastest = ratio**1.5 / (495.0 + 0.0594 * ratio**1.5)
    velocity = fastest * relative**a * math.exp(a * (1 - relative))
    wanted = live_extinction(load, size, wet, extinction)
    burning = dead_net * damping(dead_wet, extinction) + live_net * damping(live_wet, wanted)
    intensity = velocity * content * 0.174 * 0.01**-0.19 * burning
    sink = density * (of_dead * dead_heat + of_live * live_heat)
    if intensity <= 0 or sink <= 0:
        return
    reach = math.exp((0.792 + 0.681 * math.sqrt(ratio)) * (packing + 0.1))
    bed[RATE] = intensity * reach / (192.0 + 0.2595 * ratio) / sink * FEET
    bed[SLOPE] = 5.275 * packing**-0.3
    bed[WIND] = (
        7.47 * math.exp(-0.133 * ratio**0.55) * relative ** (-0.715 * math.exp(-3.59e-4 * ratio))
    )
    bed[POWER] = 0.02526 * ratio**0.54
    bed[HEAT] = intensity * 384.0 / ratio * KJ_PER_M2
    bed[LIMIT] = 0.9 * intensity


@compiled
def length_to_width(wind: float) -> float:
    """Of the ellipse that a wind (ft/min at the flame's height) blows a fire into (Anderson 1983)."""
    mph = wind / MILES_PER_HOUR
    long = 0.936 * math.exp(0.1147 * mph) + 0.461 * math.exp(-0.0692 * mph) - 0.397
    return min(LONGEST, max(1.0, long))


@compiled
def head_of(
    bed: Any, east: float, north: float, sheltered: float, up_east: float, up_north: float
) -> Any:  # fmt: skip
    """The fire's head: rate (m/min), the direction it runs to, and the ellipse's eccentricity.

    `east` and `north` are where the wind blows to, in m/s at 10 m; `up_east` and `up_north` the rise per metre.
    """
    rate = bed[RATE]
    if rate <= 0:
        return 0.0, 0.0, 0.0, 0.0
    speed = math.sqrt(east * east + north * north)
    steep = math.sqrt(up_east * up_east + up_north * up_north)
    x, y = bed[SLOPE] * steep * up_east, bed[SLOPE] * steep * up_north
    if speed > 0:
        by_wind = bed[WIND] * (speed * FEET_PER_MINUTE / TEN_METRES * sheltered) ** bed[POWER]
        x += by_wind * east / speed
        y += by_wind * north / speed
    push = math.sqrt(x * x + y * y)
    if push <= 0:
        return rate, 0.0, 0.0, 0.0
    x, y = x / push, y / push
    effective = (push / bed[WIND]) ** (1 / bed[POWER])
    if effective > bed[LIMIT]:
        effective = bed[LIMIT]
        push = bed[WIND] * effective ** bed[POWER]
    long = length_to_width(effective)
    return rate * (1 + push), x, y, math.sqrt(long * long - 1) / long


@compiled
def heads(
    fuels: Any, codes: Any, moist: Any, wind: Any, sheltered: Any, rise: Any, out: Any
) -> None:
    """Rate, direction (east, north), eccentricity and intensity (kW/m) of every row."""
    bed = np.zeros(BED)
    for n in range(codes.size):
        bed_of(fuels[codes[n]], moist[n], bed)
        rate, x, y, eccentric = head_of(
            bed, wind[n, 0], wind[n, 1], sheltered[n], rise[n, 0], rise[n, 1]
        )
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = rate, x, y, eccentric
        out[n, 4] = bed[HEAT] * rate / 60.0


@compiled
def learn(cell: int, hour: int, land: Any, air: Any, hours: Any, moves: Any) -> None:
    """Work out and remember how fire moves through a cell in an hour.

    Remembered are the inverse of the rate on the ellipse's flank and the eccentricity as a vector, from which the rate
    towards any direction takes one scalar product. An inverse of 0 says that nothing burns.
    """
    fuel, sheltered, rise, rows, columns = land
    fuels, moist, wind, beds, factor = air
    slot, width = hour & (hours.shape[1] - 1), columns.size
    r, c = rows[cell // width], columns[cell % width]
    bed = beds[hour, r, c, fuel[cell]]
    if bed[RATE] == UNKNOWN:
        bed_of(fuels[fuel[cell]], moist[hour, r, c], bed)
    rate, x, y, eccentric = head_of(
        bed, wind[hour, r, c, 0], wind[hour, r, c, 1], sheltered[cell],
        rise[cell, 0], rise[cell, 1],
    )  # fmt: skip
    rate *= factor
    moves[cell, slot, 0] = 1 / (rate * (1 - eccentric)) if rate > SLOWEST else 0.0
    moves[cell, slot, 1] = eccentric * x
    moves[cell, slot, 2] = eccentric * y
    hours[cell, slot] = hour + 1


@compiled
def slips(cell: int, first: int, end: int, corners: Any, fuel: Any) -> bool:
    """Whether a ray passes between two barriers that touch at a corner."""
    for s in range(first, end):
        if fuel[cell + corners[s, 0]] == 0 and fuel[cell + corners[s, 1]] == 0:
            return True
    return False


@compiled
def put(
    cell: int, t: float, arrival: Any, waiting: Any, first: Any, before: Any, after: Any
) -> None:
    """Label a cell, and let it wait in the bucket of its label."""
    if waiting[cell]:
        if before[cell] >= 0:
            after[before[cell]] = after[cell]
        else:
            first[int(arrival[cell] / BUCKET)] = after[cell]
        if after[cell] >= 0:
            before[after[cell]] = before[cell]
    bucket = int(t / BUCKET)
    arrival[cell], waiting[cell] = t, True
    before[cell], after[cell] = -1, first[bucket]
    if first[bucket] >= 0:
        before[first[bucket]] = cell
    first[bucket] = cell


@compiled
def leave(
    cell: int, until: float, step: float, height: int, width: int, ends: Any, east: Any, north: Any,
    parts: Any, shift: Any, length: Any, corner_parts: Any, corners: Any, fuel: Any, rise: Any,
    hours: Any, moves: Any, arrival: Any, via: Any, waiting: Any, buckets: Any, before: Any,
    after: Any, land: Any, air: Any,
) -> None:  # fmt: skip
    """Follow fire out of a cell along every ray, part by part and hour by hour, and label what it reaches sooner.

    Arrays come one by one: taken out of tuples in here, each would be counted up and down for every ray.
    """
    start, row, column = arrival[cell], cell // width, cell % width
    last, mask = air[1].shape[0] - 1, hours.shape[1] - 1
    first_hour = min(last, int(start / step))
    for k in range(ends.shape[0]):
        y, x = row + ends[k, 0], column + ends[k, 1]
        if y < 0 or x < 0 or y >= height or x >= width:
            continue
        other = y * width + x
        limit = min(arrival[other], until)
        if limit <= start or slips(cell, corner_parts[k], corner_parts[k + 1], corners, fuel):
            continue
        t, hour, s, end = start, first_hour, parts[k], parts[k + 1]
        left, over = length[s], (first_hour + 1) * step
        while s < end and t < limit:
            here, slot = cell + shift[s], hour & mask
            if fuel[here] == 0:
                break
            if hours[here, slot] != hour + 1:
                learn(here, hour, land, air, hours, moves)
            climb = rise[here, 0] * east[k] + rise[here, 1] * north[k]
            along = moves[here, slot, 1] * east[k] + moves[here, slot, 2] * north[k]
            slow = moves[here, slot, 0] * (1 - along) * math.sqrt(1 + climb * climb)
            if slow > 0 and (hour == last or t + left * slow <= over):
                t += left * slow
                s += 1
                left = length[s] if s < end else 0.0
            elif hour == last:
                break
            else:
                left -= (over - t) / slow if slow > 0 else 0.0
                t, hour = max(t, over), hour + 1
                over = (hour + 1) * step
        if s == end and t < limit:
            via[other] = k
            put(other, t, arrival, waiting, buckets, before, after)


@compiled
def spread(
    sources: Any, minutes: Any, until: float, step: float, shape: Any, stencil: Any, land: Any,
    air: Any, hours: Any, moves: Any, arrival: Any, via: Any,
) -> None:  # fmt: skip
    """Label every cell with the first minute at which fire gets there, and the ray it came along.

    Cells wait in buckets of a quarter of a minute, as doubly linked lists. Within one, order does not matter: a cell
    whose label falls again goes back into its bucket, so the labels end as those of an exact queue.
    """
    ends, rays, corner_parts, corners = stencil
    east, north, parts, shift, length = rays
    fuel, rise = land[0], land[2]
    buckets = np.full(int(until / BUCKET) + 2, -1, np.int32)
    before, after = np.full(fuel.size, -1, np.int32), np.full(fuel.size, -1, np.int32)
    waiting = np.zeros(fuel.size, np.bool_)
    for n in range(sources.size):
        cell = sources[n]
        if fuel[cell] != 0 and minutes[n] <= until and minutes[n] < arrival[cell]:
            put(cell, minutes[n], arrival, waiting, buckets, before, after)
    for bucket in range(buckets.size):
        while buckets[bucket] >= 0:
            cell = buckets[bucket]
            buckets[bucket], waiting[cell] = after[cell], False
            if after[cell] >= 0:
                before[after[cell]] = -1
            leave(
                cell, until, step, shape[0], shape[1], ends, east, north, parts, shift, length,
                corner_parts, corners, fuel, rise, hours, moves, arrival, via, waiting, buckets,
                before, after, land, air,
            )  # fmt: skip


@compiled
def intensities(
    arrival: Any, via: Any, step: float, rays: Any, land: Any, air: Any, hours: Any, moves: Any,
    out: Any,
) -> None:  # fmt: skip
    """Byram's intensity (kW/m) of the front as it passes each burnt cell, in the direction it comes from."""
    fuel, _, _, rows, columns = land
    beds = air[3]
    for cell in range(arrival.size):
        if not arrival[cell] < np.inf:
            continue
        hour = min(beds.shape[0] - 1, int(arrival[cell] / step))
        k, slot = via[cell], hour & (hours.shape[1] - 1)
        if hours[cell, slot] != hour + 1:
            learn(cell, hour, land, air, hours, moves)
        flank, x, y = moves[cell, slot, 0], moves[cell, slot, 1], moves[cell, slot, 2]
        along = math.sqrt(x * x + y * y)  # where it begins the head passes
        if k >= 0:
            along = x * rays[0][k] + y * rays[1][k]
        r, c = rows[cell // columns.size], columns[cell % columns.size]
        heat = beds[hour, r, c, fuel[cell], HEAT]
        out[cell] = heat / (flank * (1 - along)) / 60.0 if flank > 0 else 0.0

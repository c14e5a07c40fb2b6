"""titiler's endpoints, over what the catalog has instead of any address a caller names."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from titiler.core.factory import TilerFactory
from titiler.core.utils import render_image

from services.tiles.atlas import Source
from services.tiles.colors import refuse_dim
from services.tiles.grids import GRIDS, MERCATOR
from services.tiles.opener import ENVIRONMENT
from triggers.http.tiles import wmts
from triggers.http.tiles.limits import within_limits
from triggers.http.tiles.parameters import (
    Histogram,
    Look,
    Size,
    SmallSize,
    Statistics,
    Tile,
    all_bands,
    as_stored,
    look,
    no_process,
)
from triggers.http.tiles.route import TileRoute

# It notes every picture, and says nothing of it but that.
logging.getLogger("titiler").setLevel(logging.WARNING)

LEFT_OUT = (
    "/info.geojson",
    "/preview/{width}x{height}.{format}",
    "/feature/{width}x{height}.{format}",
)
OWN = ("collection", "item", "search")


class Tiler(TilerFactory):
    """Tiles, values and pictures. Values are of all bands as they are stored; pictures are rendered."""

    left_out = LEFT_OUT

    def register_routes(self) -> None:
        with self._values():
            self.info()
            self.statistics()
            self.point()
        self.tile()
        self.tilejson()
        self.preview()
        self.part()
        looks = [self.layer_dependency, self.colormap_dependency, self.render_dependency]
        wmts.register(
            self,
            self.path_dependency,
            [*looks, self.dataset_dependency],
            f"{self.operation_prefix}getWMTS",
        )
        self.router.routes[:] = [route for route in self.router.routes if self._is_kept(route)]

    def url_for(self, request: Request, name: str, **path_params: Any) -> str:
        """Under the names that the request itself used."""
        own = {key: request.path_params[key] for key in OWN if key in request.path_params}
        path = self.router.url_path_for(name, **own, **path_params)
        return str(request.base_url).rstrip("/") + quote(path, safe="/{},:@")

    @contextmanager
    def _values(self) -> Generator[None]:
        kept = self.layer_dependency, self.dataset_dependency, self.img_part_dependency
        self.layer_dependency = cast(Any, all_bands)
        self.dataset_dependency = cast(Any, as_stored)
        self.img_part_dependency = SmallSize
        yield
        self.layer_dependency, self.dataset_dependency, self.img_part_dependency = kept

    def _is_kept(self, route: Any) -> bool:
        path = cast(APIRoute, route).path.removeprefix(self.router.prefix)
        return path not in self.left_out


class Mosaic(Tiler):
    """The same, but nothing of the whole: nobody knows how large that is."""

    left_out = (
        *LEFT_OUT,
        "/statistics",
        "/preview",
        "/preview.{format}",
        "/feature",
        "/feature.{format}",
    )


def router_of(
    prefix: str, name: str, source: Callable[..., Source], kind: type[Tiler] = Tiler
) -> APIRouter:
    """The router of everything that can be shown of such sources."""
    given: Look = look(source)
    return kind(
        router=APIRouter(
            prefix=prefix,
            tags=["tiles"],
            route_class=TileRoute,
            dependencies=[Depends(within_limits)],
        ),
        name=name,
        reader=cast(Any, _open),
        path_dependency=source,
        layer_dependency=cast(Any, given.bands),
        dataset_dependency=cast(Any, given.dataset),
        colormap_dependency=given.colors,
        render_dependency=cast(Any, given.render),
        tile_dependency=Tile,
        stats_dependency=Statistics,
        histogram_dependency=Histogram,
        img_preview_dependency=Size,
        img_part_dependency=Size,
        process_dependency=cast(Any, no_process),
        environment_dependency=cast(Any, _environment),
        supported_tms=GRIDS,
        render_func=_render,
        add_viewer=False,
    ).router


def _open(source: Source, tms: Any = MERCATOR) -> Any:
    return source.read(tms)


async def _environment() -> dict[str, Any]:
    return ENVIRONMENT


def _render(
    image: Any, output_format: Any = None, colormap: Any = None, **more: Any
) -> tuple[bytes, str]:
    form = output_format.value if output_format else None
    refuse_dim(str(image.array.dtype), form, more.get("rescale"), colormap)
    return render_image(image, colormap, output_format, **more)

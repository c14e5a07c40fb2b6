"""A WMTS capabilities document: how QGIS and other clients of OGC services find the tiles."""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from fastapi import Depends, Query, Request, Response

from services.tiles.atlas import Source
from services.tiles.grids import GRIDS, NAMES, extent, limits

WMTS, OWS, XLINK = (
    "http://www.opengis.net/wmts/1.0",
    "http://www.opengis.net/ows/1.1",
    "http://www.w3.org/1999/xlink",
)
IGNORED = (
    "service",
    "request",
    "version",
    "acceptversions",
    "sections",
    "updatesequence",
    "acceptformats",
)
"""What clients of OGC services always ask with. A RESTful service has no use for it."""
TYPES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}

Format = Annotated[Literal["png", "webp", "jpeg"], Query(description="Of the tiles.")]
Ignored = Annotated[str | None, Query(description="Ignored.", max_length=200)]


async def ogc(
    service: Ignored = None,
    request: Ignored = None,
    version: Ignored = None,
    acceptversions: Ignored = None,
    sections: Ignored = None,
    updatesequence: Ignored = None,
    acceptformats: Ignored = None,
) -> None:
    """The usual parameters of OGC services."""


def register(
    tiler: Any, source: Callable[..., Source], parameters: list[Any], operation_id: str
) -> None:
    """Add the endpoint to the router of a tiler."""

    @tiler.router.get(
        "/WMTSCapabilities.xml",
        response_class=Response,
        responses={200: {"content": {"application/xml": {}}, "description": "The document."}},
        operation_id=operation_id,
        dependencies=[Depends(one) for one in (*parameters, ogc)],
    )
    def wmts(
        request: Request, given: Annotated[Source, Depends(source)], tile_format: Format = "png"
    ) -> Response:
        """What tiles there are, as WMTS. Other parameters go into the addresses of the tiles."""
        shown = [
            (key, value) for key, value in request.query_params.multi_items() if _is_passed(key)
        ]
        query = f"?{urlencode(shown)}" if shown else ""
        name = {"z": "{TileMatrix}", "x": "{TileCol}", "y": "{TileRow}", "format": tile_format}
        document = Element(f"{{{WMTS}}}Capabilities", version="1.0.0")
        _service(document, str(request.url))
        contents = SubElement(document, f"{{{WMTS}}}Contents")
        for grid in NAMES:
            address = tiler.url_for(request, "tile", tileMatrixSetId=grid, **name) + query
            _layer(contents, given, grid, address, TYPES[tile_format])
        for grid in NAMES:
            _matrix_set(contents, grid)
        return Response(
            tostring(document, "utf-8", xml_declaration=True), media_type="application/xml"
        )


def _is_passed(key: str) -> bool:
    return key.lower() not in (*IGNORED, "tile_format")


def _service(document: Element, address: str) -> None:
    service = SubElement(document, f"{{{OWS}}}ServiceIdentification")
    for name, text in (
        ("Title", "CoreMachine"),
        ("ServiceType", "OGC WMTS"),
        ("ServiceTypeVersion", "1.0.0"),
    ):
        SubElement(service, f"{{{OWS}}}{name}").text = text
    operations = SubElement(document, f"{{{OWS}}}OperationsMetadata")
    operation = SubElement(operations, f"{{{OWS}}}Operation", name="GetCapabilities")
    http = SubElement(SubElement(operation, f"{{{OWS}}}DCP"), f"{{{OWS}}}HTTP")
    get = SubElement(http, f"{{{OWS}}}Get", {f"{{{XLINK}}}href": address})
    encoding = SubElement(get, f"{{{OWS}}}Constraint", name="GetEncoding")
    SubElement(SubElement(encoding, f"{{{OWS}}}AllowedValues"), f"{{{OWS}}}Value").text = "RESTful"


def _layer(contents: Element, given: Source, grid: str, address: str, kind: str) -> None:
    with given.read(GRIDS.get(grid)) as reader:
        bounds, zooms = extent(reader, GRIDS.get(grid))
    layer = SubElement(contents, f"{{{WMTS}}}Layer")
    SubElement(layer, f"{{{OWS}}}Title").text = f"{given.title} ({grid})"
    box = SubElement(layer, f"{{{OWS}}}WGS84BoundingBox")
    SubElement(box, f"{{{OWS}}}LowerCorner").text = f"{bounds[0]} {bounds[1]}"
    SubElement(box, f"{{{OWS}}}UpperCorner").text = f"{bounds[2]} {bounds[3]}"
    SubElement(layer, f"{{{OWS}}}Identifier").text = f"{given.title} {grid}"
    style = SubElement(layer, f"{{{WMTS}}}Style", isDefault="true")
    SubElement(style, f"{{{OWS}}}Identifier").text = "default"
    SubElement(layer, f"{{{WMTS}}}Format").text = kind
    link = SubElement(layer, f"{{{WMTS}}}TileMatrixSetLink")
    SubElement(link, f"{{{WMTS}}}TileMatrixSet").text = grid
    within = SubElement(link, f"{{{WMTS}}}TileMatrixSetLimits")
    for values in limits(GRIDS.get(grid), bounds, zooms):
        one = SubElement(within, f"{{{WMTS}}}TileMatrixLimits")
        for name, value in zip(LIMITS, values, strict=True):
            SubElement(one, f"{{{WMTS}}}{name}").text = str(value)
    SubElement(layer, f"{{{WMTS}}}ResourceURL", format=kind, resourceType="tile", template=address)


LIMITS = ("TileMatrix", "MinTileRow", "MaxTileRow", "MinTileCol", "MaxTileCol")


def _matrix_set(contents: Element, name: str) -> None:
    grid: Any = GRIDS.get(name)
    found = SubElement(contents, f"{{{WMTS}}}TileMatrixSet")
    SubElement(found, f"{{{OWS}}}Identifier").text = name
    SubElement(found, f"{{{OWS}}}SupportedCRS").text = grid.crs.srs
    for matrix in grid.tileMatrices:
        one = SubElement(found, f"{{{WMTS}}}TileMatrix")
        SubElement(one, f"{{{OWS}}}Identifier").text = matrix.id
        corner = " ".join(str(value) for value in matrix.pointOfOrigin)
        texts = (matrix.scaleDenominator, corner, matrix.tileWidth, matrix.tileHeight)
        for tag, text in zip(
            MATRIX, (*texts, matrix.matrixWidth, matrix.matrixHeight), strict=True
        ):
            SubElement(one, f"{{{WMTS}}}{tag}").text = str(text)


MATRIX = (
    "ScaleDenominator",
    "TopLeftCorner",
    "TileWidth",
    "TileHeight",
    "MatrixWidth",
    "MatrixHeight",
)

register_namespace("", WMTS)
register_namespace("ows", OWS)
register_namespace("xlink", XLINK)
